/*
 * What does a page show when nobody has chosen anything?
 *
 * asv would draw eight cells over the history of commits.  The lab draws each
 * variant over the number of live ranges: index.json has one such view per
 * benchmark, and a link without a choice gets it.  The address then says all
 * that is shown, so asv's own buttons and any link go on from there.
 *
 * A benchmark without results has no graph, and its page says so; asv opens a
 * box with an error.  The list says which cells it has.
 *
 * The first page is the lab's, which index.html holds; asv's grid is at #/grid.
 */
'use strict';

$(document).ready(function () {
    /* asv.js has made $.asv; its pages register after this. */
    var register = $.asv.register_page;

    function lab() {
        return $.asv.main_json.iova_lab;
    }

    function notMeasured(name) {
        $('#title').text(name);
        $('#iova-lab-unmeasured').text(
            name + ' was not measured on any of these machines. This measures it: ' +
            'asv run HEAD --bench ' + name.split('.')[1]).show();
    }

    function withView(show) {
        return function (params) {
            if (lab().unmeasured.includes(params.benchmark)) {
                notMeasured(params.benchmark);
                return;
            }
            var view = lab().views[params.benchmark];
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

    function grid(show) {
        return function (params) {
            show(params);
            $.each(lab().unmeasured, function (i, name) {
                $(document.getElementById('summarygrid-' + name)).siblings('.benchmark-text')
                    .not(':contains(not measured)').append(': not measured');
            });
        };
    }

    function list(show) {
        return function (params) {
            if (!$('#iova-lab-list').length) {
                $('#summarylist-body').prepend($('<p id="iova-lab-list">').text(
                    'A row per benchmark and variant, of the workload that sets the variants ' +
                    'apart most, at its largest size; and each count that differs between ' +
                    'commits. Times of two runs are not compared: `iova-lab compare` takes ' +
                    'them in turn. A benchmark\'s page has all cells.'));
            }
            show(params);
        };
    }

    function home() {
        $('#title').text('');
        $('#iova-lab-home').show();
    }

    var ours = {'grid': grid, 'graphdisplay': withView, 'summarylist': list};

    function alone(name, show) {
        var shown = ours[name] ? ours[name](show) : show;
        register(name, function (params) {
            $('#iova-lab-unmeasured, #iova-lab-home, #iova-lab-compare').hide();
            shown(params);
        });
    }

    $.asv.register_page = function (name, show) {
        alone(name || 'grid', show);
    };

    alone('', $('#iova-lab-home').length ? home : function () {
        window.location.replace('#/grid');
    });

    $('body').append('<p id="iova-lab-unmeasured">');
});
