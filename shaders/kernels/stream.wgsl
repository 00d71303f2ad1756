// The ops of row.wgsl on rows that do not fit in registers. A team reads BLOCK rows at once, and again for each further
// sum and for the result, while the cache has them.
//
// All rows of a block use a weight that was loaded once, and add to the same sum of a column. If a pack has an element
// of each of four rows, a row stands for the four.
//
// Numerics: as in row.wgsl, but the first mean is that of the first eighth of the row (SAMPLE). The square of the mean
// of the deviations from it is at most 7 times the variance, so its subtraction loses little. A lane first adds the
// elements of a pack, if they are of one row, then CHUNK packs, then chunks as hi + lo: a lane may have many packs.
//
// Uniformity: no return, and no branch around team sums but on constants. A row past the last one is the last one
// again, and is not written.

// Products with numbers near the ends of f32's range wait for their scale.
const LATE: bool = BACKWARD && (BACKWARD_NEEDS_Y || SCALED);
const EARLY: bool = BACKWARD && !LATE;
const CHUNK: u32 = 64u;
const SAMPLE: u32 = 8u;

// 2^-60 and 2^60 as bits. The factor rstd takes no peak between them out of the range of f32.
const LEAST_EARLY_PEAK: i32 = 0x21800000;
const MOST_EARLY_PEAK: i32 = 0x5d800000;

fn add_sum(sum: Pair, v: Sum) -> Pair {
    return two_sum(sum.hi, sum.lo + v);
}

fn run(team: Team) {
    let len = f32(params.elements);
    let packs = params.packs;
    let stride = CHUNK * team.lanes;
    let has_rows = team.index < params.teams;
    let first_index = first_row_of(team, BLOCK * params.rows_per_team);
    let first_row = row_of(min(first_index, params.rows - 1u));
    let start = column_at(0u);
    for (var round = 0u; round < params.rows_per_team; round += 1u) {
        var has_row: array<bool, BLOCK>; // unroll
        var row: array<u32, BLOCK>; // unroll
        var first: array<First, BLOCK>; // unroll
        var shift: array<Sum, BLOCK>; // unroll
        var shifted_sum: array<Pair, BLOCK>; // unroll
        for (var k = 0u; k < BLOCK; k += 1u) { // unroll
            let index = first_index + (round * BLOCK + k) * params.row_step;
            // A constant saves a branch around the loads and stores of a row.
            has_row[k] = select(index < params.rows, true, WHOLE);
            row[k] = row_of(min(index, params.rows - 1u));
            first[k] = first_of(row[k], params.stride);
            shift[k] = first_of_rows(load_x(at_of(first[k], start)));
            shifted_sum[k] = Pair();
        }
        // A mean of the first elements.
        let sample = (packs + SAMPLE - 1u) / SAMPLE;
        if CENTERED {
            for (var chunk = team.lane; chunk < sample; chunk += stride) {
                var sum: array<Sum, BLOCK>; // unroll
                for (var k = 0u; k < BLOCK; k += 1u) { // unroll
                    sum[k] = Sum(0.0);
                }
                let end = min(chunk + stride, sample);
                for (var pack = chunk; pack < end; pack += team.lanes) {
                    let column = column_at(pack);
                    for (var k = 0u; k < BLOCK; k += 1u) { // unroll
                        let x = load_x(at_of(first[k], column));
                        sum[k] += sum_of(x - shift[k]);
                    }
                }
                for (var k = 0u; k < BLOCK; k += 1u) { // unroll
                    shifted_sum[k] = add_sum(shifted_sum[k], sum[k]);
                }
            }
        }
        var mean: array<Sum, BLOCK>; // unroll
        var d_sum: array<Pair, BLOCK>; // unroll
        var measure_sum: array<Pair, BLOCK>; // unroll
        var down_sum: array<Pair, BLOCK>; // unroll
        var up_sum: array<Pair, BLOCK>; // unroll
        var g_sum: array<Pair, BLOCK>; // unroll
        var gd_sum: array<Pair, BLOCK>; // unroll
        var early_peak: array<i32, BLOCK>; // unroll
        for (var k = 0u; k < BLOCK; k += 1u) { // unroll
            mean[k] = Sum(0.0);
            if CENTERED {
                mean[k] = shift[k] + row_sum(total_of(shifted_sum[k]), team) / elements_of(sample);
            }
            d_sum[k] = Pair();
            measure_sum[k] = Pair();
            down_sum[k] = Pair();
            up_sum[k] = Pair();
            g_sum[k] = Pair();
            gd_sum[k] = Pair();
            early_peak[k] = 0;
        }
        for (var chunk = team.lane; chunk < packs; chunk += stride) {
            var d_chunk: array<Sum, BLOCK>; // unroll
            var measure_chunk: array<Sum, BLOCK>; // unroll
            var down_chunk: array<Sum, BLOCK>; // unroll
            var up_chunk: array<Sum, BLOCK>; // unroll
            var g_chunk: array<Sum, BLOCK>; // unroll
            var gd_chunk: array<Sum, BLOCK>; // unroll
            for (var k = 0u; k < BLOCK; k += 1u) { // unroll
                d_chunk[k] = Sum(0.0);
                measure_chunk[k] = Sum(0.0);
                down_chunk[k] = Sum(0.0);
                up_chunk[k] = Sum(0.0);
                g_chunk[k] = Sum(0.0);
                gd_chunk[k] = Sum(0.0);
            }
            let end = min(chunk + stride, packs);
            for (var pack = chunk; pack < end; pack += team.lanes) {
                let column = column_at(pack);
                var affine = Affine();
                if SHARED && (EARLY || EARLY_PEAK) {
                    affine = affine_at(row_affine_index(params.first + first_row, column));
                }
                for (var k = 0u; k < BLOCK; k += 1u) { // unroll
                    let at = at_of(first[k], column);
                    let x = load_x(at);
                    if EARLY_SUM {
                        if has_rows && has_row[k] {
                            store_sum_early(at, x);
                        }
                    }
                    let d = x - mean[k];
                    d_chunk[k] += sum_of(d);
                    measure_chunk[k] += sum_of(measure(d));
                    if SCALED {
                        down_chunk[k] += sum_of(measure(d * DOWN));
                        up_chunk[k] += sum_of(measure(d * UP));
                    }
                    if !SHARED && (EARLY || EARLY_PEAK) {
                        affine = affine_at(row_affine_index(params.first + row[k], column));
                    }
                    if EARLY_PEAK {
                        early_peak[k] = max(early_peak[k], pack_peak(output_of(d, affine, at)));
                    }
                    if EARLY {
                        let grad = row_gradient(d, affine, at);
                        let g = apply_weight(grad, affine.weight);
                        g_chunk[k] += sum_of(g);
                        gd_chunk[k] += sum_of(g * d);
                    }
                }
            }
            for (var k = 0u; k < BLOCK; k += 1u) { // unroll
                d_sum[k] = add_sum(d_sum[k], d_chunk[k]);
                measure_sum[k] = add_sum(measure_sum[k], measure_chunk[k]);
                if SCALED {
                    down_sum[k] = add_sum(down_sum[k], down_chunk[k]);
                    up_sum[k] = add_sum(up_sum[k], up_chunk[k]);
                }
                g_sum[k] = add_sum(g_sum[k], g_chunk[k]);
                gd_sum[k] = add_sum(gd_sum[k], gd_chunk[k]);
            }
        }
        var correction: array<Sum, BLOCK>; // unroll
        var scale: array<Sum, BLOCK>; // unroll
        var rstd: array<Sum, BLOCK>; // unroll
        for (var k = 0u; k < BLOCK; k += 1u) { // unroll
            let moments = row_sums(Sums(total_of(d_sum[k]), total_of(measure_sum[k])), team);
            var ends = Sums();
            if SCALED {
                ends = row_sums(Sums(total_of(down_sum[k]), total_of(up_sum[k])), team);
            }
            correction[k] = select(Sum(0.0), moments.a / len, CENTERED);
            // Both overflow f32 together, and their difference would be a NaN.
            let square = correction[k] * correction[k];
            let correction_square = select(square, Sum(0.0), square > Sum(3e38));
            scale[k] = scales_of(ends.a, moments.b, ends.b);
            let measured = at_scales(ends.a, moments.b, ends.b, scale[k]);
            rstd[k] = rstds_of(measured / len - correction_square, len, scale[k]);
        }

        if LATE {
            for (var chunk = team.lane; chunk < packs; chunk += stride) {
                var g_chunk: array<Sum, BLOCK>; // unroll
                var gd_chunk: array<Sum, BLOCK>; // unroll
                for (var k = 0u; k < BLOCK; k += 1u) { // unroll
                    g_chunk[k] = Sum(0.0);
                    gd_chunk[k] = Sum(0.0);
                }
                let end = min(chunk + stride, packs);
                for (var pack = chunk; pack < end; pack += team.lanes) {
                    let column = column_at(pack);
                    var affine = Affine();
                    if SHARED {
                        affine = affine_at(row_affine_index(params.first + first_row, column));
                    }
                    for (var k = 0u; k < BLOCK; k += 1u) { // unroll
                        if !SHARED {
                            affine = affine_at(row_affine_index(params.first + row[k], column));
                        }
                        let at = at_of(first[k], column);
                        let d = load_x_again(at) - mean[k];
                        let y = (d - correction[k]) * scale[k] * rstd[k];
                        let grad = row_gradient(y, affine, at);
                        let g = apply_weight(grad, affine.weight);
                        g_chunk[k] += sum_of(g);
                        gd_chunk[k] += sum_of(g * (d * scale[k]));
                    }
                }
                for (var k = 0u; k < BLOCK; k += 1u) { // unroll
                    g_sum[k] = add_sum(g_sum[k], g_chunk[k]);
                    gd_sum[k] = add_sum(gd_sum[k], gd_chunk[k]);
                }
            }
        }
        // The two coefficients of the gradient through the statistics: the mean of g, and the factor of y.
        var coefficients: array<Sums, BLOCK>; // unroll
        for (var k = 0u; k < BLOCK; k += 1u) { // unroll
            coefficients[k] = Sums();
            if BACKWARD {
                let sums = row_sums(Sums(total_of(g_sum[k]), total_of(gd_sum[k])), team);
                let gy_sum = (sums.b - correction[k] * sums.a) * rstd[k];
                coefficients[k] = Sums(
                    select(Sum(0.0), sums.a / len, CENTERED),
                    gy_sum * product_shares(len, rstd[k], scale[k]),
                );
            }
        }

        // A second norm, of the output. It has no mean.
        var next_rstd: array<Sum, BLOCK>; // unroll
        for (var k = 0u; k < BLOCK; k += 1u) { // unroll
            next_rstd[k] = Sum(0.0);
        }
        if NEXT {
            for (var k = 0u; k < BLOCK; k += 1u) { // unroll
                measure_sum[k] = Pair();
            }
            for (var chunk = team.lane; chunk < packs; chunk += stride) {
                var measure_chunk: array<Sum, BLOCK>; // unroll
                for (var k = 0u; k < BLOCK; k += 1u) { // unroll
                    measure_chunk[k] = Sum(0.0);
                }
                let end = min(chunk + stride, packs);
                for (var pack = chunk; pack < end; pack += team.lanes) {
                    let column = column_at(pack);
                    var affine = Affine();
                    if SHARED {
                        affine = affine_at(row_affine_index(params.first + first_row, column));
                    }
                    for (var k = 0u; k < BLOCK; k += 1u) { // unroll
                        if !SHARED {
                            affine = affine_at(row_affine_index(params.first + row[k], column));
                        }
                        let at = at_of(first[k], column);
                        let y = (load_x_again(at) - mean[k] - correction[k]) * scale[k] * rstd[k];
                        let output = output_of(y, affine, at);
                        if EARLY_OUTPUT {
                            if has_rows && has_row[k] {
                                store_result_early(at, output);
                            }
                        }
                        measure_chunk[k] += sum_of(measure(output));
                    }
                }
                for (var k = 0u; k < BLOCK; k += 1u) { // unroll
                    measure_sum[k] = add_sum(measure_sum[k], measure_chunk[k]);
                }
            }
            for (var k = 0u; k < BLOCK; k += 1u) { // unroll
                next_rstd[k] = rstds_of(row_sum(total_of(measure_sum[k]), team) / len, len, Sum(1.0));
            }
        }

        // An output in int8: whole blocks of the row at a time. A lane with several packs of a block reads them again
        // before it overwrites them. The peak of an output that is d times a factor of its row was found with the sums.
        if QUANTIZED {
            let packs_of_lane = (packs + team.lanes - 1u) / team.lanes;
            let together = select(min(packs_of_lane, QUANTIZED_PACKS), 1u, QUANTIZED_PACKS == 1u);
            var is_found: array<bool, BLOCK>; // unroll
            var searched = 0u;
            for (var k = 0u; k < BLOCK; k += 1u) { // unroll
                is_found[k] = false;
                if EARLY_PEAK {
                    early_peak[k] = peak_of_block(early_peak[k], team);
                    is_found[k] = early_peak[k] >= LEAST_EARLY_PEAK && early_peak[k] < MOST_EARLY_PEAK;
                }
                searched = select(together, searched, is_found[k]);
            }
            for (var begin = 0u; begin < packs; begin += QUANTIZED_STEP) {
                var u: array<Pack, BLOCK>; // unroll
                var sum: array<Pack, BLOCK>; // unroll
                var peak: array<i32, BLOCK>; // unroll
                for (var k = 0u; k < BLOCK; k += 1u) { // unroll
                    u[k] = Pack(0.0);
                    sum[k] = Pack(0.0);
                    peak[k] = select(0, peak_of_output(early_peak[k], rstd[k]), is_found[k]);
                }
                // A lane loads its own packs alone: others may have stored theirs.
                let first_pack = begin + team.lane;
                let search_end = min(begin + searched * team.lanes, packs);
                for (var pack = first_pack; pack < search_end; pack += team.lanes) {
                    let column = column_at(pack);
                    var affine = Affine();
                    if SHARED {
                        affine = affine_at(row_affine_index(params.first + first_row, column));
                    }
                    for (var k = 0u; k < BLOCK; k += 1u) { // unroll
                        if !SHARED {
                            affine = affine_at(row_affine_index(params.first + row[k], column));
                        }
                        let at = at_of(first[k], column);
                        sum[k] = load_x_again(at);
                        u[k] = output_of((sum[k] - mean[k] - correction[k]) * scale[k] * rstd[k], affine, at);
                        peak[k] = select(max(peak[k], pack_peak(u[k])), peak[k], is_found[k]);
                    }
                }
                var factor: array<f32, BLOCK>; // unroll
                for (var k = 0u; k < BLOCK; k += 1u) { // unroll
                    peak[k] = peak_of_block(peak[k], team);
                    factor[k] = quantized_factor(peak[k]);
                    if has_rows && has_row[k] && first_pack < packs {
                        put_quantized_scale(params.first + row[k], column_at(first_pack), team.lane, peak[k]);
                    }
                }
                let end = min(begin + together * team.lanes, packs);
                for (var pack = first_pack; pack < end; pack += team.lanes) {
                    let column = column_at(pack);
                    var affine = Affine();
                    if SHARED {
                        affine = affine_at(row_affine_index(params.first + first_row, column));
                    }
                    for (var k = 0u; k < BLOCK; k += 1u) { // unroll
                        let at = at_of(first[k], column);
                        if QUANTIZED_PACKS > 1u {
                            if !SHARED {
                                affine = affine_at(row_affine_index(params.first + row[k], column));
                            }
                            sum[k] = load_x_again(at);
                            u[k] = output_of((sum[k] - mean[k] - correction[k]) * scale[k] * rstd[k], affine, at);
                        }
                        if has_rows && has_row[k] {
                            put_sum(at, sum[k]);
                            put_quantized(params.first + row[k], column, 0u, u[k], factor[k]);
                        }
                    }
                }
            }
        }

        let end = select(0u, packs, has_rows && !QUANTIZED);
        for (var pack = team.lane; pack < end; pack += team.lanes) {
            let column = column_at(pack);
            var affine = Affine();
            var next = NextWeight();
            if SHARED {
                let i = row_affine_index(params.first + first_row, column);
                affine = affine_at(i);
                if NEXT {
                    next = next_weight_at(i);
                }
            }
            var grad_sum = Pack(0.0);
            var grad_y_sum = Pack(0.0);
            for (var k = 0u; k < BLOCK; k += 1u) { // unroll
                if has_row[k] {
                    if !SHARED {
                        affine = affine_at(row_affine_index(params.first + row[k], column));
                    }
                    let at = at_of(first[k], column);
                    let x = load_x_again(at);
                    let y = (x - mean[k] - correction[k]) * scale[k] * rstd[k];
                    let grad = row_gradient(y, affine, at);
                    let g = apply_weight(grad, affine.weight);
                    place_in_row(row[k], column); // with place
                    if NEXT {
                        if !SHARED {
                            next = next_weight_at(row_affine_index(params.first + row[k], column));
                        }
                        let output = output_again(y, affine, at);
                        finish_both(at, x, output, output * next_rstd[k], next);
                    } else {
                        finish(
                            at,
                            affine,
                            x,
                            y,
                            (g - coefficients[k].a - measure_derivative(y) * coefficients[k].b) * rstd[k] * scale[k],
                        );
                    }
                    grad_sum += grad;
                    grad_y_sum += grad * y;
                }
            }
            if SUMS {
                // [teams, columns]
                let to = params.first_partial + team.index * params.elements;
                add_partial_sums(to, column, grad_sum, grad_y_sum, round == 0u);
            }
        }
        for (var k = 0u; k < BLOCK; k += 1u) { // unroll
            if has_rows && has_row[k] && team.lane == 0u {
                save_rows(row[k], mean[k], correction[k], rstd[k], scale[k]);
            }
        }
    }
}
