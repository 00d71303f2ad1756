// Normalizes contiguous rows, or computes their gradients: layer, RMS and Lp norm over the last axes, group and
// instance norm of channels-first tensors.
//
// A team reads a row once, holds it in registers and writes it once, then takes its next row. Weights that all of its
// rows share stay in registers too, and so do the sums over rows that are the gradients of weight and bias. BLOCK
// packs a lane cover a row. Weights that rows do not share are loaded late, when fewer registers are taken.
//
// Numerics: corrected two-pass. The first mean is of x - x[0]. A second reduction sums the deviations d from it. The
// result corrects the variance and the output, since f32 cannot hold the mean of data with a large offset. The mean of
// half-precision x is taken of x itself: it has so few digits that it is exact for a constant row. Norms that are not
// CENTERED take both as zero.
//
// A backward pass takes the statistics again, so that y is what the forward pass computed. Its sums of g and g * d go
// with those of the deviations, unless an activation's gradient needs y: EARLY. The sum of g * y follows from them.
//
// Uniformity: no return, and no branch around team sums but on constants. A team past the last row computes and writes
// nothing.

// Products with numbers near the ends of f32's range wait for their scale too.
const LATE: bool = BACKWARD && (BACKWARD_NEEDS_Y || SCALED);
const EARLY: bool = BACKWARD && !LATE;
// Sums grow under a branch, which takes fewer instructions. Lanes of larger workgroups have too few registers for it:
// on an H100, rows of 16384 f16 took seven times as long.
const SUMS_BRANCH: bool = WORKGROUP_SIZE <= 256u;

// Whether pack number k of the lane is in the row.
fn in_row(k: u32, team: Team) -> bool {
    return k < FULL || pack_of(k, team.lane, team.lanes) < params.packs;
}

// All rows of a team have the alignment phase of the row with the team's number.
fn column_of(k: u32, team: Team) -> Column {
    return column_of_lane(k, team.lane, team.lanes, in_row(k, team), team.index, 0u < k && k < FULL);
}

// A mean, rounded to 16 bits if x has few. It goes through a bitcast: one compiler expanded the mean inside x - mean,
// and the deviations were not those from the rounded mean. If the sum of a constant row is infinite, any x is its mean.
// Other such rows have no variance in f32.
fn rounded(mean: f32, x: f32) -> f32 {
    let bits = bitcast<u32>(mean);
    if !HALF_PRECISION {
        return bitcast<f32>(bits ^ params.zero);
    }
    return select(bitcast<f32>((bits + 0x80u) & 0xffffff00u), x, (bits & 0x7f800000u) == 0x7f800000u);
}

fn run(team: Team) {
    let len = f32(params.elements);
    let share = 1.0 / len;
    let first_index = first_row_of(team, params.rows_per_team);
    var is_in_row: array<bool, BLOCK>; // unroll
    var column: array<Column, BLOCK>; // unroll
    var mask: array<Mask, BLOCK>; // unroll
    for (var k = 0u; k < BLOCK; k += 1u) { // unroll
        is_in_row[k] = in_row(k, team);
        column[k] = column_of(k, team);
        mask[k] = mask_of(column[k], is_in_row[k]);
    }
    var affine: array<Affine, BLOCK>;
    var next: array<NextWeight, BLOCK>;
    var grad_sum: array<Pack, BLOCK>;
    var grad_y_sum: array<Pack, BLOCK>;
    if SHARED {
        let first_row = params.first + row_of(min(first_index, params.rows - 1u));
        for (var k = 0u; k < BLOCK; k += 1u) { // unroll
            let i = row_affine_index(first_row, column_of(k, team));
            affine[k] = affine_at(i);
            if NEXT {
                next[k] = next_weight_at(i);
            }
        }
    }

    for (var round = 0u; round < params.rows_per_team; round += 1u) {
        let index = first_index + round * params.row_step;
        let has_row = team.index < params.teams && index < params.rows;
        let row = row_of(min(index, params.rows - 1u));
        let first = first_of(row, params.stride);
        var shift = 0.0;
        if !HALF_PRECISION {
            let start = column_of_lane(0u, 0u, 1u, true, team.index, false);
            shift = first_inside(load_x(at_of(first, start)), start);
        }

        // The loads of both tensors are issued together.
        var x: array<Pack, BLOCK>; // unroll
        var grad: array<Pack, BLOCK>; // unroll
        for (var k = 0u; k < BLOCK; k += 1u) { // unroll
            x[k] = load_x(at_of(first, column[k]));
            grad[k] = Pack(0.0);
            if EARLY {
                grad[k] = masked(row_gradient(x[k], affine[k], at_of(first, column[k])), mask[k]);
            }
        }
        var shares = Pack(0.0);
        for (var k = 0u; k < BLOCK; k += 1u) { // unroll
            shares += masked((x[k] - shift) * share, mask[k]);
        }
        var mean = 0.0;
        if CENTERED {
            mean = rounded(shift + team_sum(pack_sum(shares), team), first_inside(x[0], column[0]));
        }

        var d_sum = Pack(0.0);
        var measure_sum = Pack(0.0);
        var down_sum = Pack(0.0);
        var up_sum = Pack(0.0);
        var g_sum = Pack(0.0);
        var gd_sum = Pack(0.0);
        var d: array<Pack, BLOCK>; // unroll
        for (var k = 0u; k < BLOCK; k += 1u) { // unroll
            d[k] = masked(x[k] - mean, mask[k]);
            d_sum += d[k];
            measure_sum += measure(d[k]);
            if SCALED {
                down_sum += measure(d[k] * DOWN);
                up_sum += measure(d[k] * UP);
            }
            if EARLY {
                if !SHARED {
                    affine[k] = affine_at(row_affine_index(params.first + row, column[k]));
                }
                let g = apply_weight(grad[k], affine[k].weight);
                g_sum += g;
                gd_sum += g * d[k];
            }
        }
        var sums = vec4<f32>(pack_sum(d_sum), pack_sum(measure_sum), pack_sum(g_sum), pack_sum(gd_sum));
        var measured = vec3<f32>();
        if SCALED {
            measured = team_sum4(vec4<f32>(pack_sum(down_sum), sums.y, pack_sum(up_sum), 0.0), team).xyz;
        } else {
            if EARLY {
                sums = team_sum4(sums, team);
            } else {
                sums = vec4<f32>(team_sum2(sums.xy, team), 0.0, 0.0);
            }
            measured.y = sums.y;
        }
        let correction = select(0.0, sums.x / len, CENTERED);
        let scale = scale_of(measured);
        let rstd = rstd_of(at_scale(measured, scale) / len - correction * correction, len, scale);

        var y: array<Pack, BLOCK>; // unroll
        for (var k = 0u; k < BLOCK; k += 1u) { // unroll
            y[k] = (d[k] - correction) * scale * rstd;
            if !SHARED && !EARLY {
                affine[k] = affine_at(row_affine_index(params.first + row, column[k]));
            }
            if LATE {
                grad[k] = masked(row_gradient(y[k], affine[k], at_of(first, column[k])), mask[k]);
                let g = apply_weight(grad[k], affine[k].weight);
                g_sum += g;
                gd_sum += g * (d[k] * scale);
            }
            if SUMS && !SUMS_BRANCH {
                grad_sum[k] += select(Pack(0.0), grad[k], has_row);
                grad_y_sum[k] += select(Pack(0.0), grad[k] * y[k], has_row);
            }
        }
        // The two coefficients of the gradient through the statistics: the mean of g, and the factor of y.
        var coefficients = vec2<f32>();
        if BACKWARD {
            if LATE {
                sums = vec4<f32>(sums.xy, team_sum2(vec2<f32>(pack_sum(g_sum), pack_sum(gd_sum)), team));
            }
            let gy_sum = (sums.w - correction * sums.z) * rstd;
            coefficients = vec2<f32>(select(0.0, sums.z / len, CENTERED), gy_sum * product_share(len, rstd, scale));
        }

        // A second norm, of the output. It has no mean.
        var next_rstd = 0.0;
        if NEXT {
            var power = Pack(0.0);
            for (var k = 0u; k < BLOCK; k += 1u) { // unroll
                d[k] = masked(output_of(y[k], affine[k], at_of(first, column[k])), mask[k]);
                power += measure(d[k]);
            }
            next_rstd = rstd_of(team_sum(pack_sum(power), team) / len, len, 1.0);
        }

        // An output in int8. `finish` has no output then, and stores the sum of input and residual.
        if QUANTIZED {
            var peak: array<i32, BLOCK>;
            var factor: array<f32, BLOCK>;
            for (var k = 0u; k < BLOCK; k += 1u) { // unroll
                d[k] = output_of(y[k], affine[k], at_of(first, column[k]));
                let own = select(0, pack_peak(d[k]), is_in_row[k]);
                peak[k / QUANTIZED_PACKS] = max(peak[k / QUANTIZED_PACKS], own);
            }
            for (var k = 0u; k < BLOCK; k += 1u) { // unroll
                if k % QUANTIZED_PACKS == 0u {
                    let largest = peak_of_block(peak[k / QUANTIZED_PACKS], team);
                    factor[k / QUANTIZED_PACKS] = quantized_factor(largest);
                    if has_row && is_in_row[k] {
                        put_quantized_scale(params.first + row, column[k], team.lane, largest);
                    }
                }
            }
            if has_row {
                for (var k = 0u; k < BLOCK; k += 1u) { // unroll
                    if is_in_row[k] {
                        put_quantized(params.first + row, column[k], k, d[k], factor[k / QUANTIZED_PACKS]);
                    }
                }
            }
        }

        if has_row {
            // In order of k: of two packs that are stored as a pair, the second one stores both. See `vec4x2`.
            for (var k = 0u; k < BLOCK; k += 1u) { // unroll
                if is_in_row[k] {
                    if SUMS && SUMS_BRANCH {
                        grad_sum[k] += grad[k];
                        grad_y_sum[k] += grad[k] * y[k];
                    }
                    let g = apply_weight(grad[k], affine[k].weight);
                    place_in_row(row, column[k]); // with place
                    if NEXT {
                        if !SHARED {
                            next[k] = next_weight_at(row_affine_index(params.first + row, column[k]));
                        }
                        finish_both(at_of(first, column[k]), x[k], d[k], d[k] * next_rstd, next[k]);
                    } else {
                        finish(
                            at_of(first, column[k]),
                            affine[k],
                            x[k],
                            y[k],
                            (g - coefficients.x - measure_derivative(y[k]) * coefficients.y) * rstd * scale,
                        );
                    }
                }
            }
            if team.lane == 0u {
                save(params.first + row, mean, correction, rstd, scale);
            }
        }
    }

    if SUMS && team.index < params.teams {
        for (var k = 0u; k < BLOCK; k += 1u) { // unroll
            if in_row(k, team) {
                // [teams, columns]
                let to = params.first_partial + team.index * params.elements;
                put_partial_sums(to, column_of(k, team), grad_sum[k], grad_y_sum[k]);
            }
        }
    }
}
