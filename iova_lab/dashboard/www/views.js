/*
 * What does a benchmark's page show when nobody has chosen anything?
 *
 * asv would draw eight cells over the history of commits.  The lab draws each
 * variant over the number of live ranges: index.json has one such view per
 * benchmark, and a link without a choice gets it.  The address then says all
 * that is shown, so asv's own buttons and any link go on from there.
 */
'use strict';

$(document).ready(function () {
    /* asv.js has made $.asv; its pages register after this. */
    var register = $.asv.register_page;

    function withView(show) {
        return function (params) {
            var view = $.asv.main_json.iova_lab.views[params.benchmark];
            if (view && Object.keys(params).length === 1) {
                window.location.replace($.asv.format_hash_string({
                    location: [params.benchmark],
                    params: view
                }));
            } else {
                show(params);
            }
        };
    }

    $.asv.register_page = function (name, show) {
        register(name, name === 'graphdisplay' ? withView(show) : show);
    };
});
