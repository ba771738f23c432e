/*
 * How does the dashboard read its data when it is opened from a folder?
 *
 * On file:// a browser lets no page read a file, but it lets it load a script.
 * So `asv publish` puts a script with the same data beside each JSON file, and
 * jQuery is told here to load that one.  On a server nothing changes.
 */
'use strict';

(function () {
    if (window.location.protocol !== 'file:') {
        return;
    }

    /* Called by each of those scripts. */
    window.iova_lab_data = function (data) {
        document.currentScript.iovaLabData = data;
    };

    function loadScript(options, complete) {
        var script = document.createElement('script');
        script.src = options.url.replace(/\?.*$/, '') + '.js';
        script.onload = function () {
            complete(200, 'success', {json: script.iovaLabData});
        };
        script.onerror = function () {
            complete(404, 'error');
        };
        document.head.appendChild(script);
    }

    $.ajaxTransport('json', function (options) {
        return {
            send: function (headers, complete) {
                loadScript(options, complete);
            },
            abort: $.noop
        };
    });

    /* asv asks for its icon, as text, to find out whether its server lives. */
    $.ajaxTransport('text', function () {
        return {
            send: function (headers, complete) {
                complete(200, 'success', {text: ''});
            },
            abort: $.noop
        };
    });
})();
