// Goes through the rows of kernels/row.wgsl that no registers hold: a team reads BLOCK rows at once, for all sums and again for the
// result, while they are in the cache. All of them use a weight that was loaded once, and add to a column's sum together. Where a pack has an element
// of each of four rows, a row stands for the four.
//
// Numerics: as in row.wgsl, with deviations from the mean of the first eighth of the row (SAMPLE). The square of the mean of those
// deviations is at most 7 times the variance, so little is lost where it is subtracted. A lane adds up a pack's elements first, if they are a
// row's, so that its sums are single numbers in registers, then CHUNK packs, and chunks as hi + lo: it may have many.
//
// Requires rows, at, pack, direction, real of its sums, two_sum, total, scales, team, x, scale, measure, affine, row,
// saved, partial_sums. SHARED: all rows have the same weight and bias. WHOLE: no block lacks a row.
// Uniformity: no return and no branch around team_sum but on constants; a row that is not there is the last one again, unwritten.

// Products with numbers near the ends of f32 wait for their scale.
const LATE: bool = BACKWARD && (BACKWARD_NEEDS_Y || SCALED);
const EARLY: bool = BACKWARD && !LATE;
const CHUNK: u32 = 64u;
const SAMPLE: u32 = 8u;

fn add(sum: Pair, v: Sum) -> Pair {
    return two_sum(sum.hi, sum.lo + v);
}

fn run(team: Team) {
    let len = f32(params.elements);
    let packs = params.packs;
    let stride = CHUNK * team.lanes;
    let has_rows = team.index < params.teams;
    let start = column_at(0u);
    for (var round = 0u; round < params.rounds; round += 1u) {
        // unroll K < BLOCK
        let index_K = (round * BLOCK + K) * params.teams + team.index;
        // Known to be so, a branch less around the loads and stores of a row.
        let has_row_K = select(index_K < params.rows, true, WHOLE);
        let row_K = min(index_K, params.rows - 1u);
        let first_K = first_of(row_K, params.stride);
        let first_input_K = first_of(row_K, params.input_stride);
        let shift_K = first_of_rows(load_x(at_of(first_input_K, start), at_of(first_K, start)));
        var shifted_sum_K = Pair();
        // end
        // A mean of the first elements.
        let sample = (packs + SAMPLE - 1u) / SAMPLE;
        if CENTERED {
            for (var chunk = team.lane; chunk < sample; chunk += stride) {
                // unroll K < BLOCK
                var sum_K = Sum(0.0);
                // end
                let end = min(chunk + stride, sample);
                for (var pack = chunk; pack < end; pack += team.lanes) {
                    let column = column_at(pack);
                    // unroll K < BLOCK
                    let x_K = load_x(at_of(first_input_K, column), at_of(first_K, column));
                    sum_K += sum_of(x_K - shift_K);
                    // end
                }
                // unroll K < BLOCK
                shifted_sum_K = add(shifted_sum_K, sum_K);
                // end
            }
        }
        // unroll K < BLOCK
        var mean_K = Sum(0.0);
        if CENTERED {
            mean_K = shift_K + row_sum(total_of(shifted_sum_K), team) / elements_of(sample);
        }
        var d_sum_K = Pair();
        var measure_sum_K = Pair();
        var down_sum_K = Pair();
        var up_sum_K = Pair();
        var g_sum_K = Pair();
        var gd_sum_K = Pair();
        // end
        for (var chunk = team.lane; chunk < packs; chunk += stride) {
            // unroll K < BLOCK
            var d_chunk_K = Sum(0.0);
            var measure_chunk_K = Sum(0.0);
            var down_chunk_K = Sum(0.0);
            var up_chunk_K = Sum(0.0);
            var g_chunk_K = Sum(0.0);
            var gd_chunk_K = Sum(0.0);
            // end
            let end = min(chunk + stride, packs);
            for (var pack = chunk; pack < end; pack += team.lanes) {
                let column = column_at(pack);
                var affine = Affine();
                if SHARED && EARLY {
                    affine = affine_at(param_column(column));
                }
                // unroll K < BLOCK
                let x_K = load_x(at_of(first_input_K, column), at_of(first_K, column));
                let d_K = x_K - mean_K;
                d_chunk_K += sum_of(d_K);
                measure_chunk_K += sum_of(measure(d_K));
                if SCALED {
                    down_chunk_K += sum_of(measure(d_K * DOWN));
                    up_chunk_K += sum_of(measure(d_K * UP));
                }
                if EARLY {
                    if !SHARED {
                        affine = affine_at(param_index(params.first + row_K, column));
                    }
                    let grad = row_gradient(d_K, affine, at_of(first_K, column));
                    let g = apply_weight(grad, affine.weight);
                    g_chunk_K += sum_of(g);
                    gd_chunk_K += sum_of(g * d_K);
                }
                // end
            }
            // unroll K < BLOCK
            d_sum_K = add(d_sum_K, d_chunk_K);
            measure_sum_K = add(measure_sum_K, measure_chunk_K);
            if SCALED {
                down_sum_K = add(down_sum_K, down_chunk_K);
                up_sum_K = add(up_sum_K, up_chunk_K);
            }
            g_sum_K = add(g_sum_K, g_chunk_K);
            gd_sum_K = add(gd_sum_K, gd_chunk_K);
            // end
        }
        // unroll K < BLOCK
        let moments_K = row_sums(Sums(total_of(d_sum_K), total_of(measure_sum_K)), team);
        var ends_K = Sums();
        if SCALED {
            ends_K = row_sums(Sums(total_of(down_sum_K), total_of(up_sum_K)), team);
        }
        let correction_K = select(Sum(0.0), moments_K.a / len, CENTERED);
        // Both leave f32 together; their difference would be a NaN.
        let square_K = correction_K * correction_K;
        let lost_square_K = select(square_K, Sum(0.0), square_K > Sum(3e38));
        let scale_K = scales_of(ends_K.a, moments_K.b, ends_K.b);
        let measured_K = at_scales(ends_K.a, moments_K.b, ends_K.b, scale_K);
        let rstd_K = rstds_of(measured_K / len - lost_square_K, len, scale_K);
        // end

        if LATE {
            for (var chunk = team.lane; chunk < packs; chunk += stride) {
                // unroll K < BLOCK
                var g_chunk_K = Sum(0.0);
                var gd_chunk_K = Sum(0.0);
                // end
                let end = min(chunk + stride, packs);
                for (var pack = chunk; pack < end; pack += team.lanes) {
                    let column = column_at(pack);
                    var affine = Affine();
                    if SHARED {
                        affine = affine_at(param_column(column));
                    }
                    // unroll K < BLOCK
                    if !SHARED {
                        affine = affine_at(param_index(params.first + row_K, column));
                    }
                    let x_K = load_x(at_of(first_input_K, column), at_of(first_K, column));
                    let d_K = x_K - mean_K;
                    let y_K = (d_K - correction_K) * scale_K * rstd_K;
                    let grad_K = row_gradient(y_K, affine, at_of(first_K, column));
                    let g_K = apply_weight(grad_K, affine.weight);
                    g_chunk_K += sum_of(g_K);
                    gd_chunk_K += sum_of(g_K * (d_K * scale_K));
                    // end
                }
                // unroll K < BLOCK
                g_sum_K = add(g_sum_K, g_chunk_K);
                gd_sum_K = add(gd_sum_K, gd_chunk_K);
                // end
            }
        }
        // What the gradient loses through the statistics: its mean, and its share along y.
        // unroll K < BLOCK
        var lost_K = Sums();
        if BACKWARD {
            let sums = row_sums(Sums(total_of(g_sum_K), total_of(gd_sum_K)), team);
            let gy_sum = (sums.b - correction_K * sums.a) * rstd_K;
            lost_K = Sums(select(Sum(0.0), sums.a / len, CENTERED), gy_sum * pulls(len, rstd_K, scale_K));
        }
        // end

        let end = select(0u, packs, has_rows);
        for (var pack = team.lane; pack < end; pack += team.lanes) {
            let column = column_at(pack);
            var affine = Affine();
            if SHARED {
                affine = affine_at(param_column(column));
            }
            var grad_sum = Pack(0.0);
            var grad_y_sum = Pack(0.0);
            // unroll K < BLOCK
            if has_row_K {
                if !SHARED {
                    affine = affine_at(param_index(params.first + row_K, column));
                }
                let at = at_of(first_K, column);
                let x = load_x(at_of(first_input_K, column), at);
                let y = (x - mean_K - correction_K) * scale_K * rstd_K;
                let grad = row_gradient(y, affine, at);
                let g = apply_weight(grad, affine.weight);
                finish(at, affine, x, y, (g - lost_K.a - slope(y) * lost_K.b) * rstd_K * scale_K);
                grad_sum += grad;
                grad_y_sum += grad * y;
            }
            // end
            if SUMS {
                // [teams, columns]
                let to = params.first_partial + team.index * params.elements;
                add_partial_sums(to, column, grad_sum, grad_y_sum, round == 0u);
            }
        }
        // unroll K < BLOCK
        if has_rows && has_row_K && team.lane == 0u {
            save_rows(row_K, mean_K, correction_K, rstd_K * scale_K);
        }
        // end
    }
}
