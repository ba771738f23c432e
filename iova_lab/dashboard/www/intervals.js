/*
 * How sure is a time?
 *
 * asv stores a 99 % interval with each time and draws none.  This plugin of
 * flot draws a whisker at each point of a graph over live ranges, of the newest
 * results of the machine.
 */
'use strict';

(function () {
    var HALF = 4;
    var loaded = {};

    function lab() {
        return $.asv.main_json.iova_lab;
    }

    function chosen() {
        return $.asv.parse_hash_string(window.location.hash);
    }

    /* The number of a cell, as asv numbers them; its parameters by name. */
    function cellOf(benchmark, values) {
        return benchmark.param_names.reduce(function (cell, name, i) {
            var axis = benchmark.params[i];
            var place = axis.map(function (value) {
                return value.replace(/^'|'$/g, '');
            }).indexOf(String(values[name]));
            return place < 0 ? NaN : cell * axis.length + place;
        }, 0);
    }

    function whisker(ctx, x, low, high) {
        ctx.beginPath();
        ctx.moveTo(x, low);
        ctx.lineTo(x, high);
        $.each([low, high], function (i, y) {
            ctx.moveTo(x - HALF, y);
            ctx.lineTo(x + HALF, y);
        });
        ctx.stroke();
    }

    function draw(plot, ctx, machines) {
        var info = chosen();
        var benchmark = $.asv.main_json.benchmarks[info.location[0]];
        var place = plot.getPlotOffset();
        ctx.save();
        ctx.translate(place.left, place.top);
        ctx.beginPath();
        ctx.rect(0, 0, plot.width(), plot.height());
        ctx.clip();
        ctx.setLineDash([]);
        ctx.lineWidth = 1.2;
        $.each(plot.getData(), function (i, series) {
            var label = window.iova_lab_parts(series.label);
            var machine = label.machine || (info.params.machine || lab().machines)[0];
            ctx.strokeStyle = series.color;
            $.each(series.data, function (j, point) {
                var cell = cellOf(benchmark, $.extend({}, label, {nr_live: point[0]}));
                var ends = (machines[machine] || {})[cell];
                if (ends && point[1] !== null) {
                    whisker(ctx, series.xaxis.p2c(point[0]),
                            series.yaxis.p2c(ends[0]), series.yaxis.p2c(ends[1]));
                    ++drawn;
                }
            });
        });
        ctx.restore();
    }

    var drawn = 0;

    $.plot.plugins.push({
        name: 'iova-lab-intervals',
        version: '1',
        init: function (plot) {
            if (plot.getPlaceholder().attr('id') !== 'main-graph') {
                return;
            }
            plot.hooks.draw.push(function (plot, ctx) {
                var info = chosen();
                var name = info.location[0];
                if (!lab().intervals.includes(name) || (info.params['x-axis'] || [])[0] !== 'nr_live') {
                    return;
                }
                if (loaded[name]) {
                    drawn = 0;
                    draw(plot, ctx, loaded[name]);
                    $('#main-graph').attr('data-intervals', drawn);
                    return;
                }
                $.asv.load_graph_data('graphs/intervals/' + name + '.json').done(function (machines) {
                    loaded[name] = machines;
                    plot.draw();
                });
            });
        }
    });
})();
