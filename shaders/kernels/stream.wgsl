// Goes through the rows of kernels/row.wgsl that no registers hold: a team reads BLOCK rows at once, for all sums and again for the
// result, while they are in the cache. All of them use a weight that was loaded once, and add to a column's sum together.
//
// Numerics: as in row.wgsl, with deviations from the mean of the first eighth of the row (SAMPLE). The square of the mean of those
// deviations is at most 7 times the variance, so little is lost where it is subtracted. A lane adds up CHUNK packs, and chunks as hi + lo: it
// may have many.
//
// Requires rows, pack, real as wide as pack, two_sum, team, x, scale, measure, affine, row, saved, partial_sums. SHARED: all rows have
// the same weight and bias.
// Uniformity: no return and no branch around team_sum but on constants; a row that is not there is the last one again, unwritten.

const CHUNK: u32 = 64u;
const SAMPLE: u32 = 8u;

fn add(sum: Pair, v: Pack) -> Pair {
    return two_sum(sum.hi, sum.lo + v);
}

fn total(sum: Pair) -> f32 {
    return pack_sum(sum.hi + sum.lo);
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(builtins: Builtins) {
    let team = team_of(builtins);
    let stride = CHUNK * team.lanes;
    for (var round = 0u; round < params.rounds; round += 1u) {
        let first_row = (round * params.teams + team.index) * BLOCK;
        // unroll K < BLOCK
        let has_row_K = team.index < params.teams && first_row + K < params.rows;
        let row_K = min(first_row + K, params.rows - 1u);
        let first_K = row_K * params.packs;
        let first_input_K = row_K * params.input_packs;
        let shift_K = pack_first(load_x(first_input_K, first_K));
        var shifted_sum_K = Pair();
        // end
        // A mean of the first elements.
        let sample = (params.packs + SAMPLE - 1u) / SAMPLE;
        if CENTERED {
            for (var chunk = team.lane; chunk < sample; chunk += stride) {
                // unroll K < BLOCK
                var sum_K = Pack();
                // end
                let end = min(chunk + stride, sample);
                for (var at = chunk; at < end; at += team.lanes) {
                    // unroll K < BLOCK
                    sum_K += load_x(first_input_K + at, first_K + at) - shift_K;
                    // end
                }
                // unroll K < BLOCK
                shifted_sum_K = add(shifted_sum_K, sum_K);
                // end
            }
        }
        // unroll K < BLOCK
        var mean_K = 0.0;
        if CENTERED {
            mean_K = shift_K + team_sum(total(shifted_sum_K), team) / f32(sample * PACK);
        }
        var d_sum_K = Pair();
        var measure_sum_K = Pair();
        var g_sum_K = Pair();
        var gd_sum_K = Pair();
        // end
        for (var chunk = team.lane; chunk < params.packs; chunk += stride) {
            // unroll K < BLOCK
            var d_chunk_K = Pack();
            var measure_chunk_K = Pack();
            var g_chunk_K = Pack();
            var gd_chunk_K = Pack();
            // end
            let end = min(chunk + stride, params.packs);
            for (var at = chunk; at < end; at += team.lanes) {
                var affine = Affine();
                if SHARED && BACKWARD && !BACKWARD_NEEDS_Y {
                    affine = affine_at(param_column(at));
                }
                // unroll K < BLOCK
                let d_K = load_x(first_input_K + at, first_K + at) - mean_K;
                d_chunk_K += d_K;
                measure_chunk_K += measure(d_K);
                if BACKWARD && !BACKWARD_NEEDS_Y {
                    if !SHARED {
                        affine = affine_at(param_index(params.first + row_K, at));
                    }
                    let g = apply_weight(row_gradient(d_K, affine, first_K + at), affine.weight);
                    g_chunk_K += g;
                    gd_chunk_K += g * d_K;
                }
                // end
            }
            // unroll K < BLOCK
            d_sum_K = add(d_sum_K, d_chunk_K);
            measure_sum_K = add(measure_sum_K, measure_chunk_K);
            g_sum_K = add(g_sum_K, g_chunk_K);
            gd_sum_K = add(gd_sum_K, gd_chunk_K);
            // end
        }
        // unroll K < BLOCK
        let moments_K = team_sum2(vec2<f32>(total(d_sum_K), total(measure_sum_K)), team) / params.len;
        let correction_K = select(0.0, moments_K.x, CENTERED);
        let rstd_K = rstd_of(moments_K.y - correction_K * correction_K, params.len);
        // end

        if BACKWARD_NEEDS_Y {
            for (var chunk = team.lane; chunk < params.packs; chunk += stride) {
                // unroll K < BLOCK
                var g_chunk_K = Pack();
                var gd_chunk_K = Pack();
                // end
                let end = min(chunk + stride, params.packs);
                for (var at = chunk; at < end; at += team.lanes) {
                    var affine = Affine();
                    if SHARED {
                        affine = affine_at(param_column(at));
                    }
                    // unroll K < BLOCK
                    if !SHARED {
                        affine = affine_at(param_index(params.first + row_K, at));
                    }
                    let d_K = load_x(first_input_K + at, first_K + at) - mean_K;
                    let y_K = (d_K - correction_K) * rstd_K;
                    let g_K = apply_weight(row_gradient(y_K, affine, first_K + at), affine.weight);
                    g_chunk_K += g_K;
                    gd_chunk_K += g_K * d_K;
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
        var lost_K = vec2<f32>();
        if BACKWARD {
            let sums = team_sum2(vec2<f32>(total(g_sum_K), total(gd_sum_K)), team);
            let gy_sum = (sums.y - correction_K * sums.x) * rstd_K;
            lost_K = vec2<f32>(select(0.0, sums.x / params.len, CENTERED), gy_sum * pull(params.len, rstd_K));
        }
        // end

        for (var at = team.lane; at < params.packs; at += team.lanes) {
            var affine = Affine();
            if SHARED {
                affine = affine_at(param_column(at));
            }
            var grad_sum = Pack();
            var grad_y_sum = Pack();
            // unroll K < BLOCK
            if has_row_K {
                if !SHARED {
                    affine = affine_at(param_index(params.first + row_K, at));
                }
                let x = load_x(first_input_K + at, first_K + at);
                let y = (x - mean_K - correction_K) * rstd_K;
                let grad = row_gradient(y, affine, first_K + at);
                let g = apply_weight(grad, affine.weight);
                finish(first_K + at, affine, x, y, (g - lost_K.x - slope(y) * lost_K.y) * rstd_K);
                grad_sum += grad;
                grad_y_sum += grad * y;
            }
            // end
            if SUMS && team.index < params.teams {
                // [teams, columns]
                add_partial_sums(params.first_partial + (team.index * params.packs + at) * PACK, grad_sum, grad_y_sum, round == 0u);
            }
        }
        // unroll K < BLOCK
        if has_row_K && team.lane == 0u {
            save(params.first + row_K, mean_K, correction_K, rstd_K);
        }
        // end
    }
}
