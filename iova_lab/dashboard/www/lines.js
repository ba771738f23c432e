/*
 * Which line is which variant, and where are 100 and a million live ranges?
 *
 * A plugin of flot, which draws asv's graphs: logarithmic axes, a look for each
 * variant (the one it has in the report), and a legend that has only what
 * differs.  index.json says which axes and which looks.
 */
'use strict';

(function () {
    var FIELD_WORDS = {'nr_live': 'live ranges'};

    /* Outlines in a box from -1 to 1, y down; the letters are matplotlib's. */
    var OUTLINES = {
        's': [[-0.8, -0.8], [0.8, -0.8], [0.8, 0.8], [-0.8, 0.8]],
        '^': [[0, -1], [0.95, 0.75], [-0.95, 0.75]],
        'v': [[0, 1], [0.95, -0.75], [-0.95, -0.75]],
        '<': [[-1, 0], [0.75, 0.95], [0.75, -0.95]],
        '>': [[1, 0], [-0.75, 0.95], [-0.75, -0.95]],
        'D': [[0, -1.1], [1.1, 0], [0, 1.1], [-1.1, 0]],
        'p': regular(5, 1, 1),
        '*': regular(10, 1.15, 0.5),
        'P': cross(0),
        'X': cross(Math.PI / 4)
    };

    function lab() {
        return $.asv.main_json.iova_lab;
    }

    function regular(nrCorners, outer, inner) {
        return $.map(new Array(nrCorners), function (_, i) {
            var angle = 2 * Math.PI * i / nrCorners - Math.PI / 2;
            var radius = i % 2 ? inner : outer;
            return [[radius * Math.cos(angle), radius * Math.sin(angle)]];
        });
    }

    function cross(angle) {
        var a = 0.33, b = 1.05;
        var corners = [[a, -b], [a, -a], [b, -a], [b, a], [a, a], [a, b],
                       [-a, b], [-a, a], [-b, a], [-b, -a], [-a, -a], [-a, -b]];
        return $.map(corners, function (c) {
            return [[c[0] * Math.cos(angle) - c[1] * Math.sin(angle),
                     c[0] * Math.sin(angle) + c[1] * Math.cos(angle)]];
        });
    }

    function symbol(marker) {
        return function (ctx, x, y, radius) {
            ctx.setLineDash([]);  // of the line, which is drawn by now
            if (!OUTLINES[marker]) {
                ctx.arc(x, y, radius, 0, 2 * Math.PI);
                return;
            }
            $.each(OUTLINES[marker], function (i, corner) {
                ctx.lineTo(x + radius * corner[0], y + radius * corner[1]);
            });
        };
    }

    /* asv's label, "commit-last; variant-mainline; workload-ring", taken apart. */
    function parts(label) {
        var found = {};
        $.each((label || '').split('; '), function (i, part) {
            var dash = part.indexOf('-');
            found[part.slice(0, dash)] = part.slice(dash + 1);
        });
        return found;
    }

    window.iova_lab_parts = parts; // intervals.js takes labels apart as well

    function differing(all) {
        return $.grep(Object.keys(all[0] || {}), function (key) {
            return all.some(function (one) { return one[key] !== all[0][key]; });
        });
    }

    function shortened(value) {
        return value >= 1e6 ? value / 1e6 + 'M' : value >= 1e3 ? value / 1e3 + 'k' : '' + value;
    }

    /* How far a line goes, where it ends before others do: cells without a value have no point. */
    function extent(series, last) {
        var measured = $.grep(series.data, function (point) {
            return point[1] !== null && point[1] !== undefined;
        });
        if (!measured.length) {
            return ' (not measured)';
        }
        var end = measured[measured.length - 1][0];
        return end < last ? ' (to ' + shortened(end) + ')' : '';
    }

    /* The last number of live ranges at which any line has a point. */
    function lastOf(all) {
        return Math.max.apply(null, $.map(all, function (series) {
            return $.map(series.data, function (point) {
                return point[1] === null || point[1] === undefined ? [] : [point[0]];
            });
        }));
    }

    /* The row of the first page about a variant or a workload; it links to the report. */
    function rowOf(kind, name) {
        return $(document.getElementById('iova-lab-' + kind + '-' + name));
    }

    /* What the workload of all lines is, and where its report is. */
    function describe(all) {
        var names = new Set($.map(all, function (series) { return parts(series.label).workload; }));
        var name = names.size === 1 ? names.values().next().value : undefined;
        var about = $('#iova-lab-about').empty();
        var row = rowOf('workload', name);
        if (row.length) {
            about.append($('<b>').text(name), ': ', document.createTextNode(row.find('td').first().text()), ' ');
            about.append($('<a>').attr('href', row.find('th > a').attr('href')).text('Report'));
        }
    }

    /* A variant's own look; if one has several lines, looks by turns. */
    function setLooks(all) {
        var labels = $.map(all, function (series) { return parts(series.label); });
        var keys = differing(labels);
        var names = $.map(labels, function (label) { return label.variant; });
        var single = new Set(names).size === all.length;
        var looks = lab().looks;
        var cycle = Object.values(looks);
        var last = xAxis().iovaLab ? lastOf(all) : -Infinity;
        $.each(all, function (i, series) {
            var look = single ? looks[names[i]] : cycle[i % cycle.length];
            var shown = $.map(keys, function (key) { return labels[i][key]; });
            series.iovaLabName = shown.join(', ') || names[i] || series.label;
            series.iovaLabExtent = last > -Infinity ? extent(series, last) : '';
            series.iovaLabPage = single && rowOf('variant', names[i]).find('th > a').attr('href');
            if (!look) {
                return;
            }
            series.iovaLabName += look.marker === null ? ' (floor)' : '';
            series.iovaLabLook = look;
            series.color = look.color;
            series.lines.lineWidth = look.width;
            series.points.fill = false;
            series.points.radius = look.radius;
            series.points.symbol = symbol(look.marker);
            series.points.show = series.points.show && look.marker !== null;
        });
    }

    function swatch(series) {
        var look = series.iovaLabLook;
        var canvas = $('<canvas width="44" height="16">')[0];
        var ctx = canvas.getContext('2d');
        ctx.strokeStyle = series.color;
        ctx.lineWidth = look ? look.width : 1;
        ctx.setLineDash(look ? look.dash : []);
        ctx.beginPath();
        ctx.moveTo(0, 8);
        ctx.lineTo(44, 8);
        ctx.stroke();
        if (look && look.marker !== null) {
            ctx.beginPath();
            symbol(look.marker)(ctx, 22, 8, Math.min(look.radius, 6));
            ctx.closePath();
            ctx.stroke();
        }
        return '<img alt="" src="' + canvas.toDataURL() + '">';
    }

    function legendLabel(label, series) {
        var text = series.iovaLabPage ? $('<a>').attr('href', series.iovaLabPage) : $('<span>');
        text.text((series.iovaLabName || label) + (series.iovaLabExtent || ''));
        var drawn = series.lines.show || series.points.show;
        return (drawn ? swatch(series) : '') + ' ' + text[0].outerHTML;
    }

    function setLogAxis(axis) {
        var values = lab().log_axes[axis.axisLabel];
        if (!values) {
            return;
        }
        var ticks = [];
        for (var power = -12; power <= 18; ++power) {
            ticks.push(Math.pow(10, power));
        }
        axis.ticks = ticks;
        axis.tickFormatter = function (value) {
            return '10' + ('' + Math.round(Math.log10(value))).sup();
        };
        axis.transform = function (value) { return Math.log10(value); };
        axis.inverseTransform = function (value) { return Math.pow(10, value); };
        if (axis.min == null) {
            axis.min = values[0] / 1.3;
            axis.max = values[values.length - 1] * 1.3;
        }
    }

    /* Down to zero, as asv has it for seconds and bytes alone; a flat line needs room, too. */
    function setLinearAxis(axis) {
        if (!axis.transform && !$('#zoom-y-axis').hasClass('active')) {
            axis.min = Math.min(axis.min, 0);
            axis.max = axis.max > 0 ? axis.max * 1.1 : 1;
        }
    }

    function isOfParameter(label) {
        return Object.values($.asv.main_json.benchmarks).some(function (benchmark) {
            return benchmark.param_names.includes(label);
        });
    }

    function xAxis() {
        return $('#main-graph').data('plot').getOptions().xaxes[0];
    }

    /* asv takes every x for a commit, and opens its page even if it has no address. */
    function keepFromCommit(event) {
        var known = $.asv.main_json.show_commit_url && !xAxis().iovaLab;
        if (!known && !$('#reference').hasClass('active')) {
            event.stopImmediatePropagation();
        }
    }

    /* Words have no bars: asv's would begin at 0, which a logarithm has not, and orderBars takes
       the difference of two words.  Each gets a mark per line, and its name upright below. */
    function setWords(options) {
        var words = options.xaxes[0].mode === 'categories';
        $('#graph').toggleClass('iova-lab-words', words);
        if (words) {
            options.series.bars.show = false;
            options.series.lines.show = false;
            options.series.points.show = true;
            options.xaxes[0].labelHeight = 110;
        }
    }

    function place(item, axis) {
        var categories = item.series.xaxis.categories || {};
        var word = Object.keys(categories).find(function (key) {
            return categories[key] === item.datapoint[0];
        });
        return word === undefined ? ' at ' + item.datapoint[0] + ' ' + axis.axisLabel
            : ', ' + axis.axisLabel + ' ' + word;
    }

    function showCell(event, pos, item) {
        var axis = xAxis();
        if (!axis.iovaLab) {
            return;  // commits: asv says which
        }
        event.stopImmediatePropagation();
        var tip = $('#iova-lab-cell').toggle(Boolean(item));
        if (item) {
            var name = $.asv.parse_hash_string(window.location.hash).location[0];
            var unit = $.asv.main_json.benchmarks[name].unit;
            tip.text(item.series.iovaLabName + ': ' + $.asv.pretty_unit(item.datapoint[1], unit) +
                     place(item, axis));
            tip.css({left: item.pageX + 12, top: item.pageY - 30});
        }
    }

    $.plot.plugins.push({
        name: 'iova-lab',
        version: '1',
        init: function (plot) {
            var id = plot.getPlaceholder().attr('id');
            var isMain = id === 'main-graph';

            plot.hooks.processOptions.push(function (plot, options) {
                if (!isMain) {
                    // One commit is a point; a line alone would not show it.
                    options.series.points.show = options.series.lines.show && id !== 'overview';
                    options.grid.minBorderMargin = 5;
                    return;
                }
                var axis = options.xaxes[0];
                axis.iovaLab = isOfParameter(axis.axisLabel);
                setWords(options);
                setLogAxis(axis);
                setLinearAxis(options.yaxes[0]);
                axis.axisLabelUseCanvas = false;  // there the tails of its letters are cut off
                axis.axisLabel = FIELD_WORDS[axis.axisLabel] || axis.axisLabel;
                // asv's second, small graph is of commits; others get its room.
                $('#graph').toggleClass('iova-lab-whole', axis.iovaLab);
                options.legend.container = $('#iova-lab-legend');
                options.legend.labelFormatter = legendLabel;
                $('#iova-lab-cell').hide();
            });

            var named = false;
            plot.hooks.processRawData.push(function (plot) {
                if (!named && (isMain || id === 'overview')) {
                    named = true;
                    setLooks(plot.getData());
                    describe(plot.getData());
                }
            });

            plot.hooks.drawSeries.push(function (plot, ctx, series) {
                ctx.setLineDash(series.iovaLabLook ? series.iovaLabLook.dash : []);
            });
            // Axis labels make flot draw a second time, inside the first.
            $.each([plot.hooks.drawBackground, plot.hooks.draw], function (i, hook) {
                hook.push(function (plot, ctx) {
                    ctx.setLineDash([]);
                });
            });
        }
    });

    $(document).ready(function () {
        $('#graph').append('<div id="iova-lab-legend">')
            .prepend($('#title'), '<p id="iova-lab-about">');  // in the bar the title needs a line
        $('body').append('<div id="iova-lab-cell">');
        // These come before asv's own.
        $('#main-graph').on('plothover', showCell).on('plotclick', keepFromCommit);
    });
})();
