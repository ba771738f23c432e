/*
 * How do two allocators differ, workload by workload?
 *
 * asv compares commits.  This page has the values of two variants, and their
 * ratio, of one benchmark on one machine; the address has every choice, so it
 * is a permanent link.
 */
'use strict';

$(document).ready(function () {
    var LARGEST = 'largest';
    /* A ratio within this is no difference; a bar ends at that many decades. */
    var SAME = 0.01, DECADES = 3;
    var NOT_COMPARED = ['reason', 'processes'];
    var shown = 0;

    function lab() {
        return $.asv.main_json.iova_lab;
    }

    function plain(values) {
        return $.map(values, function (value) { return value.replace(/^'|'$/g, ''); });
    }

    function axis(benchmark, name) {
        return benchmark.params[benchmark.param_names.indexOf(name)] || [];
    }

    /* What can be compared: a value for each variant, workload and number of live ranges. */
    function benchmarks() {
        return $.grep(Object.values($.asv.main_json.benchmarks), function (one) {
            return one.param_names.join() === 'variant,workload,nr_live' &&
                !NOT_COMPARED.includes(one.unit) && axis(one, 'variant').length > 1 &&
                Object.keys(lab().graphs[one.name] || {}).length;
        });
    }

    function number(value) {
        var rounded = Number(value.toPrecision(3));
        return Math.abs(rounded) >= 1000 ? rounded.toLocaleString('en-US') : String(rounded);
    }

    /* The choice in the address, completed: what it lacks, or names that are not there. */
    function choice(params) {
        function one(name, allowed, preferred) {
            var given = (params[name] || [])[0];
            return [given].concat(preferred).concat(allowed).find(function (value) {
                return allowed.includes(value);
            });
        }
        var all = benchmarks();
        var name = one('benchmark', $.map(all, function (b) { return b.name; }),
                       ['nodes.NodesMean.track_nodes_per_op']);
        var benchmark = $.asv.main_json.benchmarks[name];
        if (!benchmark) {
            return null;
        }
        var variants = plain(axis(benchmark, 'variant'));
        var left = one('left', variants, ['mainline']);
        return {
            benchmark: name,
            machine: one('machine', Object.keys(lab().graphs[name]), lab().machines),
            left: left,
            right: one('right', variants, ['candidate']),
            nr_live: one('nr_live', [LARGEST].concat(axis(benchmark, 'nr_live')), [])
        };
    }

    function go(chosen) {
        var params = {};
        $.each(chosen, function (name, value) { params[name] = [value]; });
        window.location.hash = $.asv.format_hash_string({location: ['/compare'], params: params});
    }

    function selector(chosen, name, words, options, labels) {
        var select = $('<select>').on('change', function () {
            var changed = {};
            changed[name] = select.val();
            go($.extend({}, chosen, changed));
        });
        $.each(options, function (i, option) {
            select.append($('<option>').val(option).text(labels ? labels[i] : option));
        });
        return $('<label>').text(words + ' ').append(select.val(chosen[name]));
    }

    function controls(chosen) {
        var all = benchmarks();
        var benchmark = $.asv.main_json.benchmarks[chosen.benchmark];
        var variants = plain(axis(benchmark, 'variant'));
        var sizes = axis(benchmark, 'nr_live');
        return $('<p class="iova-lab-choice">').append(
            selector(chosen, 'left', 'Base', variants), ' ',
            selector(chosen, 'right', 'compared with', variants), ' ',
            selector(chosen, 'benchmark', 'by', $.map(all, function (b) { return b.name; }),
                     $.map(all, function (b) { return b.name.split('.')[1] + ', ' + b.unit; })), ' ',
            selector(chosen, 'nr_live', 'at live ranges', [LARGEST].concat(sizes),
                     ['the most that both have'].concat($.map(sizes, function (size) {
                         return number(Number(size));
                     }))), ' ',
            selector(chosen, 'machine', 'on machine', Object.keys(lab().graphs[chosen.benchmark])));
    }

    /* The values of a cell on both sides, at one size; null is a cell without a value. */
    function rows(chosen, values) {
        var benchmark = $.asv.main_json.benchmarks[chosen.benchmark];
        var variants = plain(axis(benchmark, 'variant'));
        var workloads = plain(axis(benchmark, 'workload'));
        var sizes = axis(benchmark, 'nr_live');

        function value(variant, w, s) {
            var cell = (variants.indexOf(variant) * workloads.length + w) * sizes.length + s;
            return values[cell] === undefined ? null : values[cell];
        }

        return $.map(workloads, function (workload, w) {
            var all = $.map(sizes, function (size, s) {
                return {workload: workload, size: Number(size),
                        left: value(chosen.left, w, s), right: value(chosen.right, w, s)};
            });
            if (chosen.nr_live !== LARGEST) {
                return all[sizes.indexOf(chosen.nr_live)];
            }
            var both = $.grep(all, function (row) { return row.left !== null && row.right !== null; });
            var some = $.grep(all, function (row) { return row.left !== null || row.right !== null; });
            return both.pop() || some.pop() || all[0];
        });
    }

    function ratio(row) {
        if (row.left === null || row.right === null) {
            return null;
        }
        return row.left === row.right ? 1 : row.right / row.left;
    }

    function bar(found) {
        var share = Math.min(Math.abs(Math.log10(found)) / DECADES, 1) * 50;
        return $('<td class="iova-lab-bar" aria-hidden="true">').append(
            $('<i>').addClass(found > 1 ? 'more' : 'less').css(
                {width: share + '%', left: (found > 1 ? 50 : 50 - share) + '%'}));
    }

    function valueCell(value) {
        return value === null ? $('<td class="none">').text('not measured') : $('<td>').text(number(value));
    }

    function row(one, chosen) {
        var found = ratio(one);
        var place = '#' + chosen.benchmark + '?' + $.param({
            'x-axis': 'nr_live', 'p-variant': ["'" + chosen.left + "'", "'" + chosen.right + "'"],
            'p-workload': "'" + one.workload + "'", 'machine': chosen.machine
        }, true);
        var graph = $('<a>').attr('href', place).text(one.workload);
        var size = one.left === null && one.right === null ? '' : number(one.size);
        return $('<tr>').append(
            $('<th scope="row">').append(graph), $('<td>').text(size),
            valueCell(one.left), valueCell(one.right),
            $('<td class="ratio">').text(found === null ? '' : isFinite(found) ? 'x' + number(found) : 'from 0'),
            found === null || !isFinite(found) ? $('<td>') : bar(found));
    }

    function sum(found, chosen, unit) {
        var ratios = $.map(found, ratio);
        var less = $.grep(ratios, function (r) { return r < 1 - SAME; }).length;
        var more = $.grep(ratios, function (r) { return r > 1 + SAME; }).length;
        return chosen.right + ' / ' + chosen.left + ' in ' + unit + ': below 1 on ' + less + ' of ' +
            ratios.length + ' workloads, above 1 on ' + more + ', 1 within 1 % on ' +
            (ratios.length - less - more) + '.';
    }

    function table(chosen, values) {
        var unit = $.asv.main_json.benchmarks[chosen.benchmark].unit;
        var found = rows(chosen, values);
        var head = $('<tr>');
        $.each(['workload', 'live ranges', chosen.left, chosen.right,
                chosen.right + ' / ' + chosen.left, 'less | more'], function (i, words) {
            head.append($('<th scope="col">').text(words));
        });
        var body = $('<tbody>').append($.map(found, function (one) { return row(one, chosen); }));
        var time = unit === 'ns/op' ? ' One run measured these times; `iova-lab compare ' +
            chosen.left + ' ' + chosen.right + '` measures in turn, and gives intervals.' : '';
        return $('<div>').append(
            $('<p class="iova-lab-answer">').text(sum(found, chosen, unit)),
            $('<div class="iova-lab-wide">').append($('<table>').append($('<thead>').append(head), body)),
            $('<p>').text('In ' + unit + '; less is better. The longest bar is a factor of 1,000 or more.' +
                          time));
    }

    function show(params) {
        var page = $('#iova-lab-compare').show();
        var chosen = choice(params);
        $('#title').text('');
        if (!chosen) {
            page.text('No machine has measured a benchmark of all variants and workloads.');
            return;
        }
        page.empty().append($('<h1>').text(chosen.right + ' beside ' + chosen.left), controls(chosen));
        var graph = lab().graphs[chosen.benchmark][chosen.machine];
        var turn = ++shown;
        $.asv.load_graph_data($.asv.graph_to_path(chosen.benchmark, graph)).done(function (points) {
            if (turn === shown) {
                page.append(table(chosen, points[points.length - 1][1]));
            }
        });
    }

    $('#summarygrid-display').before('<div id="iova-lab-compare">');
    $.asv.register_page('compare', show);
});
