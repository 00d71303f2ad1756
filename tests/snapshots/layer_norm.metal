// language: metal2.4
#include <metal_stdlib>
#include <simd/simd.h>

using metal::uint;

struct _mslBufferSizes {
    uint size3;
    uint size4;
    uint size5;
    uint size6;
};

typedef metal::float4 Pack;
typedef uint Column;
typedef uint At;
typedef uint First;
typedef bool Mask;
struct Team {
    uint index;
    uint lane;
    uint lanes;
};
struct type_5 {
    metal::float2 inner[64];
};
struct type_6 {
    metal::float2 inner[4];
};
struct Params {
    uint rows;
    uint first;
    uint packs;
    uint stride;
    uint rows_per_team;
    uint teams;
    uint elements;
    float eps;
    float weight_offset;
    uint stats_stride;
    uint first_partial;
    uint affine_rows;
    uint affine_quotient;
    uint affine_remainder;
    uint affine_run;
    uint zero;
};
struct Affine {
    Pack weight;
    Pack bias;
};
typedef uint AffineAt;
typedef metal::float4 type_8[1];
struct type_10 {
    Affine inner[2];
};
struct type_11 {
    Pack inner[2];
};
struct type_12 {
    int inner[2];
};
struct type_13 {
    float inner[2];
};
constant uint FAN_IN = 16u;
constant uint WORKGROUP_SIZE = 64u;
constant uint FULL = 1u;
constant uint BLOCK = 2u;
constant bool SHARED = true;
constant bool HALF_PRECISION = false;
constant bool BACKWARD = false;
constant bool BACKWARD_NEEDS_Y = false;
constant bool SCALED = false;
constant bool LATE = false;
constant bool EARLY = false;
constant bool CENTERED = true;
constant float DOWN = 1.0;
constant float UP = 1.0;
constant bool SUMS = false;
constant bool SUMS_BRANCH = true;
constant bool NEXT = false;
constant bool QUANTIZED = false;
constant uint QUANTIZED_PACKS = 1u;

float pack_first(
    Pack v
) {
    return v.x;
}

float pack_sum(
    Pack v_1
) {
    return (v_1.x + v_1.y) + (v_1.z + v_1.w);
}

int pack_peak(
    Pack v_2
) {
    metal::int4 m = as_type<metal::int4>(v_2) & metal::int4(2147483647);
    return metal::max(metal::max(m.x, m.y), metal::max(m.z, m.w));
}

Column column_at(
    uint pack
) {
    return pack;
}

uint number_of(
    Column column
) {
    return column;
}

float first_inside(
    Pack v_3,
    Column column_1
) {
    float _e2 = pack_first(v_3);
    return _e2;
}

uint pack_of(
    uint k,
    uint lane,
    uint lanes
) {
    return lane + (k * lanes);
}

Column column_of_lane(
    uint k_1,
    uint lane_1,
    uint lanes_1,
    bool is_there,
    uint row,
    bool middle
) {
    uint _e7 = pack_of(k_1, lane_1, lanes_1);
    Column _e9 = column_at(is_there ? _e7 : 0u);
    return _e9;
}

First first_of(
    uint row_1,
    uint stride
) {
    return row_1 * stride;
}

At at_of(
    First first,
    Column column_2
) {
    return first + column_2;
}

Mask mask_of(
    Column column_3,
    bool counts
) {
    return counts;
}

Pack masked(
    Pack v_4,
    Mask mask
) {
    return mask ? v_4 : metal::float4(0.0);
}

metal::float2 team_sum2_(
    metal::float2 v_5,
    Team team,
    threadgroup type_5& leaves,
    threadgroup type_6& branches
) {
    metal::float2 sum = {};
    uint i = 1u;
    metal::float2 total = {};
    uint i_1 = 1u;
    leaves.inner[team.lane] = v_5;
    metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
    if (team.lane < 4u) {
        metal::float2 _e11 = leaves.inner[team.lane];
        sum = _e11;
        uint2 loop_bound = uint2(4294967295u);
        bool loop_init = true;
        while(true) {
            if (metal::all(loop_bound == uint2(0u))) { break; }
            loop_bound -= uint2(loop_bound.y == 0u, 1u);
            if (!loop_init) {
                uint _e27 = i;
                i = _e27 + 1u;
            }
            loop_init = false;
            uint _e15 = i;
            if (_e15 < FAN_IN) {
            } else {
                break;
            }
            {
                metal::float2 _e18 = sum;
                uint _e21 = i;
                metal::float2 _e25 = leaves.inner[team.lane + (_e21 * 4u)];
                sum = _e18 + _e25;
            }
        }
        metal::float2 _e33 = sum;
        branches.inner[team.lane] = _e33;
    }
    metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
    metal::float2 _e36 = branches.inner[0];
    total = _e36;
    uint2 loop_bound_1 = uint2(4294967295u);
    bool loop_init_1 = true;
    while(true) {
        if (metal::all(loop_bound_1 == uint2(0u))) { break; }
        loop_bound_1 -= uint2(loop_bound_1.y == 0u, 1u);
        if (!loop_init_1) {
            uint _e48 = i_1;
            i_1 = _e48 + 1u;
        }
        loop_init_1 = false;
        uint _e40 = i_1;
        if (_e40 < 4u) {
        } else {
            break;
        }
        {
            metal::float2 _e42 = total;
            uint _e44 = i_1;
            metal::float2 _e46 = branches.inner[_e44];
            total = _e42 + _e46;
        }
    }
    metal::float2 _e51 = total;
    return _e51;
}

float team_sum(
    float v_6,
    Team team_1,
    threadgroup type_5& leaves,
    threadgroup type_6& branches
) {
    metal::float2 _e4 = team_sum2_(metal::float2(v_6, 0.0), team_1, leaves, branches);
    return _e4.x;
}

metal::float4 team_sum4_(
    metal::float4 v_7,
    Team team_2,
    threadgroup type_5& leaves,
    threadgroup type_6& branches
) {
    metal::float2 _e3 = team_sum2_(v_7.xy, team_2, leaves, branches);
    metal::float2 _e5 = team_sum2_(v_7.zw, team_2, leaves, branches);
    return metal::float4(_e3, _e5);
}

bool in_row(
    uint k_2,
    Team team_3,
    constant Params& params
) {
    bool local = {};
    if (!((k_2 < FULL))) {
        uint _e9 = pack_of(k_2, team_3.lane, team_3.lanes);
        uint _e12 = params.packs;
        local = _e9 < _e12;
    } else {
        local = true;
    }
    bool _e15 = local;
    return _e15;
}

Column column_of(
    uint k_3,
    Team team_4,
    constant Params& params
) {
    bool local_1 = {};
    bool _e4 = in_row(k_3, team_4, params);
    if (0u < k_3) {
        local_1 = k_3 < FULL;
    } else {
        local_1 = false;
    }
    bool _e13 = local_1;
    Column _e14 = column_of_lane(k_3, team_4.lane, team_4.lanes, _e4, team_4.index, _e13);
    return _e14;
}

metal::float4 load_weight(
    uint i_2,
    device type_8 const& weight_1,
    constant _mslBufferSizes& _buffer_sizes
) {
    metal::float4 _e3 = weight_1[i_2];
    return _e3;
}

Pack weight_at(
    AffineAt i_3,
    constant Params& params,
    device type_8 const& weight_1,
    constant _mslBufferSizes& _buffer_sizes
) {
    metal::float4 _e1 = load_weight(i_3, weight_1, _buffer_sizes);
    float _e4 = params.weight_offset;
    return _e1 + metal::float4(_e4);
}

metal::float4 load_bias(
    uint i_4,
    device type_8 const& bias_1,
    constant _mslBufferSizes& _buffer_sizes
) {
    metal::float4 _e3 = bias_1[i_4];
    return _e3;
}

Pack bias_at(
    AffineAt i_5,
    device type_8 const& bias_1,
    constant _mslBufferSizes& _buffer_sizes
) {
    metal::float4 _e1 = load_bias(i_5, bias_1, _buffer_sizes);
    return _e1;
}

Affine affine_at(
    AffineAt i_6,
    constant Params& params,
    device type_8 const& weight_1,
    device type_8 const& bias_1,
    constant _mslBufferSizes& _buffer_sizes
) {
    Pack _e1 = weight_at(i_6, params, weight_1, _buffer_sizes);
    Pack _e2 = bias_at(i_6, bias_1, _buffer_sizes);
    return Affine {_e1, _e2};
}

AffineAt affine_column(
    Column column_4
) {
    uint _e1 = number_of(column_4);
    return _e1;
}

metal::float4 load_input(
    uint i_7,
    device type_8 const& input,
    constant _mslBufferSizes& _buffer_sizes
) {
    metal::float4 _e3 = input[i_7];
    return _e3;
}

Pack load_x(
    At at,
    device type_8 const& input,
    constant _mslBufferSizes& _buffer_sizes
) {
    metal::float4 _e1 = load_input(at, input, _buffer_sizes);
    return _e1;
}

Pack row_gradient(
    Pack y,
    Affine affine,
    At at_1
) {
    return metal::float4(0.0);
}

float rounded(
    float mean,
    float x,
    constant Params& params
) {
    uint bits = as_type<uint>(mean);
    if (true) {
        uint _e6 = params.zero;
        return as_type<float>(bits ^ _e6);
    }
    return ((bits & 2139095040u) == 2139095040u) ? x : as_type<float>((bits + 128u) & 4294967040u);
}

Pack measure(
    Pack d
) {
    return d * d;
}

uint naga_div(uint lhs, uint rhs) {
    return lhs / metal::select(rhs, 1u, rhs == 0u);
}

uint naga_mod(uint lhs, uint rhs) {
    return lhs % metal::select(rhs, 1u, rhs == 0u);
}

AffineAt row_affine_index(
    uint row_2,
    Column column_5,
    constant Params& params
) {
    uint _e4 = params.affine_rows;
    uint _e8 = params.affine_quotient;
    uint _e12 = params.affine_rows;
    uint _e16 = params.affine_remainder;
    uint first_2 = (naga_div(row_2, _e4) * _e8) + (naga_mod(row_2, _e12) * _e16);
    AffineAt _e19 = affine_column(column_5);
    return first_2 + _e19;
}

Pack apply_weight(
    Pack y_1,
    Pack weight
) {
    return y_1 * weight;
}

float scale_of(
    metal::float3 sums
) {
    return 1.0;
}

float rstd_of(
    float power,
    float count,
    float scale,
    constant Params& params
) {
    float _e12 = params.eps;
    return metal::rsqrt((((as_type<uint>(power) - 2147483648u) <= 2139095040u) ? 0.0 : power) + _e12);
}

float at_scale(
    metal::float3 sums_1,
    float scale_1
) {
    return sums_1.y;
}

float product_share(
    float count_1,
    float rstd,
    float scale_2
) {
    return 1.0 / count_1;
}

Pack activate(
    Pack u
) {
    return u;
}

Pack apply_after(
    Pack u_1,
    At at_2
) {
    return u_1;
}

Pack apply_bias(
    Pack y_2,
    Pack bias
) {
    return y_2 + bias;
}

Pack output_of(
    Pack y_3,
    Affine affine_1,
    At at_3
) {
    Pack _e4 = apply_weight(y_3, affine_1.weight);
    Pack _e6 = apply_bias(_e4, affine_1.bias);
    Pack _e7 = apply_after(_e6, at_3);
    Pack _e8 = activate(_e7);
    return _e8;
}

void put_next(
    At at_4,
    AffineAt i_8,
    Pack y_4
) {
    return;
}

int peak_of_block(
    int peak,
    Team team_5
) {
    return peak;
}

float quantized_factor(
    int peak_1
) {
    return 0.0;
}

void put_quantized_scale(
    uint row_3,
    Column column_6,
    uint lane_2,
    int peak_2
) {
    return;
}

void put_quantized(
    uint row_4,
    Column column_7,
    Pack u_2,
    float factor
) {
    return;
}

void store_sum(
    At at_5,
    Pack x_1
) {
    return;
}

void store_output(
    uint i_9,
    metal::float4 v_8,
    device type_8& output,
    constant _mslBufferSizes& _buffer_sizes
) {
    output[i_9] = v_8;
    return;
}

void store_result(
    At at_6,
    Pack y_5,
    device type_8& output,
    constant _mslBufferSizes& _buffer_sizes
) {
    store_output(at_6, y_5, output, _buffer_sizes);
    return;
}

void finish(
    At at_7,
    Affine affine_2,
    Pack x_2,
    Pack y_6,
    Pack grad_input,
    device type_8& output,
    constant _mslBufferSizes& _buffer_sizes
) {
    store_sum(at_7, x_2);
    Pack _e5 = output_of(y_6, affine_2, at_7);
    store_result(at_7, _e5, output, _buffer_sizes);
    return;
}

Pack measure_derivative(
    Pack y_7
) {
    return y_7;
}

void save(
    uint i_10,
    float hi,
    float lo,
    float rstd_value,
    float scale_3
) {
    return;
}

void put_partial_sums(
    uint first_1,
    Column column_8,
    Pack g,
    Pack gy
) {
    return;
}

void run(
    Team team_6,
    threadgroup type_5& leaves,
    threadgroup type_6& branches,
    constant Params& params,
    device type_8 const& weight_1,
    device type_8 const& bias_1,
    device type_8 const& input,
    device type_8& output,
    constant _mslBufferSizes& _buffer_sizes
) {
    type_10 affine_3 = {};
    type_11 grad_sum = {};
    type_11 grad_y_sum = {};
    uint round = 0u;
    bool local_2 = {};
    float shift = {};
    metal::float4 grad_0_ = {};
    metal::float4 grad_1_ = {};
    metal::float4 shares = {};
    float mean_1 = {};
    metal::float4 d_sum = {};
    metal::float4 measure_sum = {};
    metal::float4 down_sum = {};
    metal::float4 up_sum = {};
    metal::float4 g_sum = {};
    metal::float4 gd_sum = {};
    Pack d_0_ = {};
    Pack d_1_ = {};
    metal::float4 sums_2 = {};
    metal::float3 measured = {};
    bool local_3 = {};
    bool local_4 = {};
    bool local_5 = {};
    bool local_6 = {};
    metal::float2 coefficients = {};
    metal::float4 power_1 = {};
    type_12 peak_3 = {};
    type_13 factor_1 = {};
    bool local_7 = {};
    bool local_8 = {};
    bool local_9 = {};
    bool local_10 = {};
    bool local_11 = {};
    uint _e3 = params.elements;
    float len = static_cast<float>(_e3);
    float share = 1.0 / len;
    bool _e8 = in_row(0u, team_6, params);
    Column _e10 = column_of(0u, team_6, params);
    Mask _e11 = mask_of(_e10, _e8);
    bool _e13 = in_row(1u, team_6, params);
    Column _e15 = column_of(1u, team_6, params);
    Mask _e16 = mask_of(_e15, _e13);
    if (SHARED) {
        Column _e23 = column_of(0u, team_6, params);
        AffineAt _e24 = affine_column(_e23);
        Affine _e25 = affine_at(_e24, params, weight_1, bias_1, _buffer_sizes);
        affine_3.inner[0] = _e25;
        Column _e28 = column_of(1u, team_6, params);
        AffineAt _e29 = affine_column(_e28);
        Affine _e30 = affine_at(_e29, params, weight_1, bias_1, _buffer_sizes);
        affine_3.inner[1] = _e30;
    }
    uint2 loop_bound_2 = uint2(4294967295u);
    bool loop_init_2 = true;
    while(true) {
        if (metal::all(loop_bound_2 == uint2(0u))) { break; }
        loop_bound_2 -= uint2(loop_bound_2.y == 0u, 1u);
        if (!loop_init_2) {
            uint _e623 = round;
            round = _e623 + 1u;
        }
        loop_init_2 = false;
        uint _e33 = round;
        uint _e36 = params.rows_per_team;
        if (_e33 < _e36) {
        } else {
            break;
        }
        {
            uint _e38 = round;
            uint _e41 = params.teams;
            uint index = (_e38 * _e41) + team_6.index;
            uint _e48 = params.teams;
            if (team_6.index < _e48) {
                uint _e54 = params.rows;
                local_2 = index < _e54;
            } else {
                local_2 = false;
            }
            bool has_row = local_2;
            uint _e60 = params.rows;
            uint row_5 = metal::min(index, _e60 - 1u);
            uint _e66 = params.stride;
            First _e67 = first_of(row_5, _e66);
            shift = 0.0;
            if (true) {
                Column _e77 = column_of_lane(0u, 0u, 1u, true, team_6.index, false);
                At _e78 = at_of(_e67, _e77);
                Pack _e79 = load_x(_e78, input, _buffer_sizes);
                float _e80 = first_inside(_e79, _e77);
                shift = _e80;
            }
            At _e81 = at_of(_e67, _e10);
            Pack _e82 = load_x(_e81, input, _buffer_sizes);
            grad_0_ = metal::float4(0.0);
            if (EARLY) {
                Affine _e88 = affine_3.inner[0];
                At _e89 = at_of(_e67, _e10);
                Pack _e90 = row_gradient(_e82, _e88, _e89);
                Pack _e91 = masked(_e90, _e11);
                grad_0_ = _e91;
            }
            At _e92 = at_of(_e67, _e15);
            Pack _e93 = load_x(_e92, input, _buffer_sizes);
            grad_1_ = metal::float4(0.0);
            if (EARLY) {
                Affine _e99 = affine_3.inner[1];
                At _e100 = at_of(_e67, _e15);
                Pack _e101 = row_gradient(_e93, _e99, _e100);
                Pack _e102 = masked(_e101, _e16);
                grad_1_ = _e102;
            }
            shares = metal::float4(0.0);
            metal::float4 _e106 = shares;
            float _e107 = shift;
            Pack _e111 = masked((_e82 - metal::float4(_e107)) * share, _e11);
            shares = _e106 + _e111;
            metal::float4 _e113 = shares;
            float _e114 = shift;
            Pack _e118 = masked((_e93 - metal::float4(_e114)) * share, _e16);
            shares = _e113 + _e118;
            mean_1 = 0.0;
            if (CENTERED) {
                float _e123 = shift;
                metal::float4 _e124 = shares;
                float _e125 = pack_sum(_e124);
                float _e126 = team_sum(_e125, team_6, leaves, branches);
                float _e128 = first_inside(_e82, _e10);
                float _e129 = rounded(_e123 + _e126, _e128, params);
                mean_1 = _e129;
            }
            d_sum = metal::float4(0.0);
            measure_sum = metal::float4(0.0);
            down_sum = metal::float4(0.0);
            up_sum = metal::float4(0.0);
            g_sum = metal::float4(0.0);
            gd_sum = metal::float4(0.0);
            float _e148 = mean_1;
            Pack _e151 = masked(_e82 - metal::float4(_e148), _e11);
            d_0_ = _e151;
            metal::float4 _e153 = d_sum;
            Pack _e154 = d_0_;
            d_sum = _e153 + _e154;
            metal::float4 _e156 = measure_sum;
            Pack _e157 = d_0_;
            Pack _e158 = measure(_e157);
            measure_sum = _e156 + _e158;
            if (SCALED) {
                metal::float4 _e161 = down_sum;
                Pack _e162 = d_0_;
                Pack _e165 = measure(_e162 * DOWN);
                down_sum = _e161 + _e165;
                metal::float4 _e167 = up_sum;
                Pack _e168 = d_0_;
                Pack _e171 = measure(_e168 * UP);
                up_sum = _e167 + _e171;
            }
            if (EARLY) {
                if (false) {
                    uint _e178 = params.first;
                    AffineAt _e180 = row_affine_index(_e178 + row_5, _e10, params);
                    Affine _e181 = affine_at(_e180, params, weight_1, bias_1, _buffer_sizes);
                    affine_3.inner[0] = _e181;
                }
                metal::float4 _e182 = grad_0_;
                Pack _e185 = affine_3.inner[0].weight;
                Pack _e186 = apply_weight(_e182, _e185);
                metal::float4 _e187 = g_sum;
                g_sum = _e187 + _e186;
                metal::float4 _e189 = gd_sum;
                Pack _e190 = d_0_;
                gd_sum = _e189 + (_e186 * _e190);
            }
            float _e193 = mean_1;
            Pack _e196 = masked(_e93 - metal::float4(_e193), _e16);
            d_1_ = _e196;
            metal::float4 _e198 = d_sum;
            Pack _e199 = d_1_;
            d_sum = _e198 + _e199;
            metal::float4 _e201 = measure_sum;
            Pack _e202 = d_1_;
            Pack _e203 = measure(_e202);
            measure_sum = _e201 + _e203;
            if (SCALED) {
                metal::float4 _e206 = down_sum;
                Pack _e207 = d_1_;
                Pack _e210 = measure(_e207 * DOWN);
                down_sum = _e206 + _e210;
                metal::float4 _e212 = up_sum;
                Pack _e213 = d_1_;
                Pack _e216 = measure(_e213 * UP);
                up_sum = _e212 + _e216;
            }
            if (EARLY) {
                if (false) {
                    uint _e223 = params.first;
                    AffineAt _e225 = row_affine_index(_e223 + row_5, _e15, params);
                    Affine _e226 = affine_at(_e225, params, weight_1, bias_1, _buffer_sizes);
                    affine_3.inner[1] = _e226;
                }
                metal::float4 _e227 = grad_1_;
                Pack _e230 = affine_3.inner[1].weight;
                Pack _e231 = apply_weight(_e227, _e230);
                metal::float4 _e232 = g_sum;
                g_sum = _e232 + _e231;
                metal::float4 _e234 = gd_sum;
                Pack _e235 = d_1_;
                gd_sum = _e234 + (_e231 * _e235);
            }
            metal::float4 _e238 = d_sum;
            float _e239 = pack_sum(_e238);
            metal::float4 _e240 = measure_sum;
            float _e241 = pack_sum(_e240);
            metal::float4 _e242 = g_sum;
            float _e243 = pack_sum(_e242);
            metal::float4 _e244 = gd_sum;
            float _e245 = pack_sum(_e244);
            sums_2 = metal::float4(_e239, _e241, _e243, _e245);
            measured = metal::float3 {};
            if (SCALED) {
                metal::float4 _e251 = down_sum;
                float _e252 = pack_sum(_e251);
                float _e254 = sums_2.y;
                metal::float4 _e255 = up_sum;
                float _e256 = pack_sum(_e255);
                metal::float4 _e259 = team_sum4_(metal::float4(_e252, _e254, _e256, 0.0), team_6, leaves, branches);
                measured = _e259.xyz;
            } else {
                if (EARLY) {
                    metal::float4 _e262 = sums_2;
                    metal::float4 _e263 = team_sum4_(_e262, team_6, leaves, branches);
                    sums_2 = _e263;
                } else {
                    metal::float4 _e264 = sums_2;
                    metal::float2 _e266 = team_sum2_(_e264.xy, team_6, leaves, branches);
                    sums_2 = metal::float4(_e266, 0.0, 0.0);
                }
                float _e272 = sums_2.y;
                measured.y = _e272;
            }
            float _e274 = sums_2.x;
            float correction = CENTERED ? (_e274 / len) : 0.0;
            metal::float3 _e279 = measured;
            float _e280 = scale_of(_e279);
            metal::float3 _e281 = measured;
            float _e282 = at_scale(_e281, _e280);
            float _e286 = rstd_of((_e282 / len) - (correction * correction), len, _e280, params);
            Pack _e287 = d_0_;
            Pack y_0_ = ((_e287 - metal::float4(correction)) * _e280) * _e286;
            if (false) {
                local_3 = true;
            } else {
                local_3 = false;
            }
            bool _e297 = local_3;
            if (_e297) {
                uint _e301 = params.first;
                AffineAt _e303 = row_affine_index(_e301 + row_5, _e10, params);
                Affine _e304 = affine_at(_e303, params, weight_1, bias_1, _buffer_sizes);
                affine_3.inner[0] = _e304;
            }
            if (LATE) {
                Affine _e307 = affine_3.inner[0];
                At _e308 = at_of(_e67, _e10);
                Pack _e309 = row_gradient(y_0_, _e307, _e308);
                Pack _e310 = masked(_e309, _e11);
                grad_0_ = _e310;
                metal::float4 _e311 = grad_0_;
                Pack _e314 = affine_3.inner[0].weight;
                Pack _e315 = apply_weight(_e311, _e314);
                metal::float4 _e316 = g_sum;
                g_sum = _e316 + _e315;
                metal::float4 _e318 = gd_sum;
                Pack _e319 = d_0_;
                gd_sum = _e318 + (_e315 * (_e319 * _e280));
            }
            if (SUMS) {
                local_4 = false;
            } else {
                local_4 = false;
            }
            bool _e328 = local_4;
            if (_e328) {
                Pack _e330 = grad_sum.inner[0];
                metal::float4 _e333 = grad_0_;
                grad_sum.inner[0] = _e330 + (has_row ? _e333 : metal::float4(0.0));
                Pack _e337 = grad_y_sum.inner[0];
                metal::float4 _e340 = grad_0_;
                grad_y_sum.inner[0] = _e337 + (has_row ? (_e340 * y_0_) : metal::float4(0.0));
            }
            Pack _e344 = d_1_;
            Pack y_1_ = ((_e344 - metal::float4(correction)) * _e280) * _e286;
            if (false) {
                local_5 = true;
            } else {
                local_5 = false;
            }
            bool _e354 = local_5;
            if (_e354) {
                uint _e358 = params.first;
                AffineAt _e360 = row_affine_index(_e358 + row_5, _e15, params);
                Affine _e361 = affine_at(_e360, params, weight_1, bias_1, _buffer_sizes);
                affine_3.inner[1] = _e361;
            }
            if (LATE) {
                Affine _e364 = affine_3.inner[1];
                At _e365 = at_of(_e67, _e15);
                Pack _e366 = row_gradient(y_1_, _e364, _e365);
                Pack _e367 = masked(_e366, _e16);
                grad_1_ = _e367;
                metal::float4 _e368 = grad_1_;
                Pack _e371 = affine_3.inner[1].weight;
                Pack _e372 = apply_weight(_e368, _e371);
                metal::float4 _e373 = g_sum;
                g_sum = _e373 + _e372;
                metal::float4 _e375 = gd_sum;
                Pack _e376 = d_1_;
                gd_sum = _e375 + (_e372 * (_e376 * _e280));
            }
            if (SUMS) {
                local_6 = false;
            } else {
                local_6 = false;
            }
            bool _e385 = local_6;
            if (_e385) {
                Pack _e387 = grad_sum.inner[1];
                metal::float4 _e390 = grad_1_;
                grad_sum.inner[1] = _e387 + (has_row ? _e390 : metal::float4(0.0));
                Pack _e394 = grad_y_sum.inner[1];
                metal::float4 _e397 = grad_1_;
                grad_y_sum.inner[1] = _e394 + (has_row ? (_e397 * y_1_) : metal::float4(0.0));
            }
            coefficients = metal::float2 {};
            if (BACKWARD) {
                if (LATE) {
                    metal::float4 _e405 = sums_2;
                    metal::float4 _e407 = g_sum;
                    float _e408 = pack_sum(_e407);
                    metal::float4 _e409 = gd_sum;
                    float _e410 = pack_sum(_e409);
                    metal::float2 _e412 = team_sum2_(metal::float2(_e408, _e410), team_6, leaves, branches);
                    sums_2 = metal::float4(_e405.xy, _e412);
                }
                float _e415 = sums_2.w;
                float _e417 = sums_2.z;
                float gy_sum = (_e415 - (correction * _e417)) * _e286;
                float _e422 = sums_2.z;
                float _e427 = product_share(len, _e286, _e280);
                coefficients = metal::float2(CENTERED ? (_e422 / len) : 0.0, gy_sum * _e427);
            }
            if (NEXT) {
                power_1 = metal::float4(0.0);
                Affine _e435 = affine_3.inner[0];
                At _e436 = at_of(_e67, _e10);
                Pack _e437 = output_of(y_0_, _e435, _e436);
                Pack _e438 = masked(_e437, _e11);
                d_0_ = _e438;
                metal::float4 _e439 = power_1;
                Pack _e440 = d_0_;
                Pack _e441 = measure(_e440);
                power_1 = _e439 + _e441;
                Affine _e444 = affine_3.inner[1];
                At _e445 = at_of(_e67, _e15);
                Pack _e446 = output_of(y_1_, _e444, _e445);
                Pack _e447 = masked(_e446, _e16);
                d_1_ = _e447;
                metal::float4 _e448 = power_1;
                Pack _e449 = d_1_;
                Pack _e450 = measure(_e449);
                power_1 = _e448 + _e450;
                metal::float4 _e452 = power_1;
                float _e453 = pack_sum(_e452);
                float _e454 = team_sum(_e453, team_6, leaves, branches);
                float _e457 = rstd_of(_e454 / len, len, 1.0, params);
                if (has_row) {
                    if (_e8) {
                        uint _e460 = params.first;
                        AffineAt _e462 = row_affine_index(_e460 + row_5, _e10, params);
                        At _e463 = at_of(_e67, _e10);
                        Pack _e464 = d_0_;
                        put_next(_e463, _e462, _e464 * _e457);
                    }
                    if (_e13) {
                        uint _e468 = params.first;
                        AffineAt _e470 = row_affine_index(_e468 + row_5, _e15, params);
                        At _e471 = at_of(_e67, _e15);
                        Pack _e472 = d_1_;
                        put_next(_e471, _e470, _e472 * _e457);
                    }
                }
            }
            if (QUANTIZED) {
                peak_3 = type_12 {};
                factor_1 = type_13 {};
                Affine _e480 = affine_3.inner[0];
                At _e481 = at_of(_e67, _e10);
                Pack _e482 = output_of(y_0_, _e480, _e481);
                d_0_ = _e482;
                Pack _e483 = d_0_;
                int _e484 = pack_peak(_e483);
                int own_0_ = _e8 ? _e484 : 0;
                int _e489 = peak_3.inner[0];
                peak_3.inner[0] = metal::max(_e489, own_0_);
                Affine _e492 = affine_3.inner[1];
                At _e493 = at_of(_e67, _e15);
                Pack _e494 = output_of(y_1_, _e492, _e493);
                d_1_ = _e494;
                Pack _e495 = d_1_;
                int _e496 = pack_peak(_e495);
                int own_1_ = _e13 ? _e496 : 0;
                int _e501 = peak_3.inner[1];
                peak_3.inner[1] = metal::max(_e501, own_1_);
                if (true) {
                    int _e505 = peak_3.inner[0];
                    int _e506 = peak_of_block(_e505, team_6);
                    float _e508 = quantized_factor(_e506);
                    factor_1.inner[0] = _e508;
                    if (has_row) {
                        local_7 = _e8;
                    } else {
                        local_7 = false;
                    }
                    bool _e512 = local_7;
                    if (_e512) {
                        uint _e515 = params.first;
                        put_quantized_scale(_e515 + row_5, _e10, team_6.lane, _e506);
                    }
                }
                if (true) {
                    int _e520 = peak_3.inner[1];
                    int _e521 = peak_of_block(_e520, team_6);
                    float _e523 = quantized_factor(_e521);
                    factor_1.inner[1] = _e523;
                    if (has_row) {
                        local_8 = _e13;
                    } else {
                        local_8 = false;
                    }
                    bool _e527 = local_8;
                    if (_e527) {
                        uint _e530 = params.first;
                        put_quantized_scale(_e530 + row_5, _e15, team_6.lane, _e521);
                    }
                }
                if (has_row) {
                    if (_e8) {
                        uint _e535 = params.first;
                        Pack _e537 = d_0_;
                        float _e539 = factor_1.inner[0];
                        put_quantized(_e535 + row_5, _e10, _e537, _e539);
                    }
                    if (_e13) {
                        uint _e542 = params.first;
                        Pack _e544 = d_1_;
                        float _e546 = factor_1.inner[1];
                        put_quantized(_e542 + row_5, _e15, _e544, _e546);
                    }
                }
            }
            if (has_row) {
                if (_e8) {
                    if (SUMS) {
                        local_9 = SUMS_BRANCH;
                    } else {
                        local_9 = false;
                    }
                    bool _e552 = local_9;
                    if (_e552) {
                        Pack _e554 = grad_sum.inner[0];
                        metal::float4 _e555 = grad_0_;
                        grad_sum.inner[0] = _e554 + _e555;
                        Pack _e558 = grad_y_sum.inner[0];
                        metal::float4 _e559 = grad_0_;
                        grad_y_sum.inner[0] = _e558 + (_e559 * y_0_);
                    }
                    metal::float4 _e562 = grad_0_;
                    Pack _e565 = affine_3.inner[0].weight;
                    Pack _e566 = apply_weight(_e562, _e565);
                    At _e567 = at_of(_e67, _e10);
                    Affine _e569 = affine_3.inner[0];
                    float _e571 = coefficients.x;
                    Pack _e574 = measure_derivative(y_0_);
                    float _e576 = coefficients.y;
                    finish(_e567, _e569, _e82, y_0_, (((_e566 - metal::float4(_e571)) - (_e574 * _e576)) * _e286) * _e280, output, _buffer_sizes);
                }
                if (_e13) {
                    if (SUMS) {
                        local_10 = SUMS_BRANCH;
                    } else {
                        local_10 = false;
                    }
                    bool _e586 = local_10;
                    if (_e586) {
                        Pack _e588 = grad_sum.inner[1];
                        metal::float4 _e589 = grad_1_;
                        grad_sum.inner[1] = _e588 + _e589;
                        Pack _e592 = grad_y_sum.inner[1];
                        metal::float4 _e593 = grad_1_;
                        grad_y_sum.inner[1] = _e592 + (_e593 * y_1_);
                    }
                    metal::float4 _e596 = grad_1_;
                    Pack _e599 = affine_3.inner[1].weight;
                    Pack _e600 = apply_weight(_e596, _e599);
                    At _e601 = at_of(_e67, _e15);
                    Affine _e603 = affine_3.inner[1];
                    float _e605 = coefficients.x;
                    Pack _e608 = measure_derivative(y_1_);
                    float _e610 = coefficients.y;
                    finish(_e601, _e603, _e93, y_1_, (((_e600 - metal::float4(_e605)) - (_e608 * _e610)) * _e286) * _e280, output, _buffer_sizes);
                }
                if (team_6.lane == 0u) {
                    uint _e620 = params.first;
                    float _e622 = mean_1;
                    save(_e620 + row_5, _e622, correction, _e286, _e280);
                }
            }
        }
    }
    if (SUMS) {
        uint _e632 = params.teams;
        local_11 = team_6.index < _e632;
    } else {
        local_11 = false;
    }
    bool _e635 = local_11;
    if (_e635) {
        bool _e637 = in_row(0u, team_6, params);
        if (_e637) {
            uint _e640 = params.first_partial;
            uint _e644 = params.elements;
            uint to = _e640 + (team_6.index * _e644);
            Column _e648 = column_of(0u, team_6, params);
            Pack _e650 = grad_sum.inner[0];
            Pack _e652 = grad_y_sum.inner[0];
            put_partial_sums(to, _e648, _e650, _e652);
        }
        bool _e654 = in_row(1u, team_6, params);
        if (_e654) {
            uint _e657 = params.first_partial;
            uint _e661 = params.elements;
            uint to_1 = _e657 + (team_6.index * _e661);
            Column _e665 = column_of(1u, team_6, params);
            Pack _e667 = grad_sum.inner[1];
            Pack _e669 = grad_y_sum.inner[1];
            put_partial_sums(to_1, _e665, _e667, _e669);
            return;
        } else {
            return;
        }
    } else {
        return;
    }
}

struct main_Input {
};
[[max_total_threads_per_threadgroup(64)]] kernel void main_(
  metal::uint3 workgroup_id [[threadgroup_position_in_grid]]
, metal::uint3 num_workgroups [[threadgroups_per_grid]]
, uint local_index [[thread_index_in_threadgroup]]
, threadgroup type_5& leaves
, threadgroup type_6& branches
, constant Params& params [[user(fake0)]]
, device type_8 const& weight_1 [[user(fake0)]]
, device type_8 const& bias_1 [[user(fake0)]]
, device type_8 const& input [[user(fake0)]]
, device type_8& output [[user(fake0)]]
, constant _mslBufferSizes& _buffer_sizes [[user(fake0)]]
) {
    if (local_index == 0u) {
        leaves = {};
        branches = {};
    }
    metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
    uint workgroup = (workgroup_id.y * num_workgroups.x) + workgroup_id.x;
    run(Team {workgroup, local_index, WORKGROUP_SIZE}, leaves, branches, params, weight_1, bias_1, input, output, _buffer_sizes);
    return;
}
