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
struct type_4 {
    metal::float2 inner[64];
};
struct type_5 {
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
typedef metal::float4 type_7[1];
struct type_9 {
    Affine inner[2];
};
struct type_10 {
    Pack inner[2];
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
    Pack v_2,
    Column column_1
) {
    float _e2 = pack_first(v_2);
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
    Pack v_3,
    Mask mask
) {
    return mask ? v_3 : metal::float4(0.0);
}

metal::float2 team_sum2_(
    metal::float2 v_4,
    Team team,
    threadgroup type_4& leaves,
    threadgroup type_5& branches
) {
    metal::float2 sum = {};
    uint i = 1u;
    metal::float2 total = {};
    uint i_1 = 1u;
    leaves.inner[team.lane] = v_4;
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
    float v_5,
    Team team_1,
    threadgroup type_4& leaves,
    threadgroup type_5& branches
) {
    metal::float2 _e4 = team_sum2_(metal::float2(v_5, 0.0), team_1, leaves, branches);
    return _e4.x;
}

metal::float4 team_sum4_(
    metal::float4 v_6,
    Team team_2,
    threadgroup type_4& leaves,
    threadgroup type_5& branches
) {
    metal::float2 _e3 = team_sum2_(v_6.xy, team_2, leaves, branches);
    metal::float2 _e5 = team_sum2_(v_6.zw, team_2, leaves, branches);
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
    device type_7 const& weight_1,
    constant _mslBufferSizes& _buffer_sizes
) {
    metal::float4 _e3 = weight_1[i_2];
    return _e3;
}

Pack weight_at(
    AffineAt i_3,
    constant Params& params,
    device type_7 const& weight_1,
    constant _mslBufferSizes& _buffer_sizes
) {
    metal::float4 _e1 = load_weight(i_3, weight_1, _buffer_sizes);
    float _e4 = params.weight_offset;
    return _e1 + metal::float4(_e4);
}

metal::float4 load_bias(
    uint i_4,
    device type_7 const& bias_1,
    constant _mslBufferSizes& _buffer_sizes
) {
    metal::float4 _e3 = bias_1[i_4];
    return _e3;
}

Pack bias_at(
    AffineAt i_5,
    device type_7 const& bias_1,
    constant _mslBufferSizes& _buffer_sizes
) {
    metal::float4 _e1 = load_bias(i_5, bias_1, _buffer_sizes);
    return _e1;
}

Affine affine_at(
    AffineAt i_6,
    constant Params& params,
    device type_7 const& weight_1,
    device type_7 const& bias_1,
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
    device type_7 const& input,
    constant _mslBufferSizes& _buffer_sizes
) {
    metal::float4 _e3 = input[i_7];
    return _e3;
}

Pack load_x(
    At at,
    device type_7 const& input,
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

void store_sum(
    At at_2,
    Pack x_1
) {
    return;
}

void store_output(
    uint i_8,
    metal::float4 v_7,
    device type_7& output,
    constant _mslBufferSizes& _buffer_sizes
) {
    output[i_8] = v_7;
    return;
}

void store_result(
    At at_3,
    Pack y_2,
    device type_7& output,
    constant _mslBufferSizes& _buffer_sizes
) {
    store_output(at_3, y_2, output, _buffer_sizes);
    return;
}

Pack activate(
    Pack u
) {
    return u;
}

Pack apply_after(
    Pack u_1,
    At at_4
) {
    return u_1;
}

Pack apply_bias(
    Pack y_3,
    Pack bias
) {
    return y_3 + bias;
}

void finish(
    At at_5,
    Affine affine_1,
    Pack x_2,
    Pack y_4,
    Pack grad_input,
    device type_7& output,
    constant _mslBufferSizes& _buffer_sizes
) {
    store_sum(at_5, x_2);
    Pack _e6 = apply_weight(y_4, affine_1.weight);
    Pack _e8 = apply_bias(_e6, affine_1.bias);
    Pack _e9 = apply_after(_e8, at_5);
    Pack _e10 = activate(_e9);
    store_result(at_5, _e10, output, _buffer_sizes);
    return;
}

Pack measure_derivative(
    Pack y_5
) {
    return y_5;
}

void save(
    uint i_9,
    float hi,
    float lo,
    float rstd_value,
    float scale_3
) {
    return;
}

void put_partial_sums(
    uint first_1,
    Column column_6,
    Pack g,
    Pack gy
) {
    return;
}

void run(
    Team team_5,
    threadgroup type_4& leaves,
    threadgroup type_5& branches,
    constant Params& params,
    device type_7 const& weight_1,
    device type_7 const& bias_1,
    device type_7 const& input,
    device type_7& output,
    constant _mslBufferSizes& _buffer_sizes
) {
    type_9 affine_2 = {};
    type_10 grad_sum = {};
    type_10 grad_y_sum = {};
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
    metal::float4 sums_2 = {};
    metal::float3 measured = {};
    bool local_3 = {};
    bool local_4 = {};
    bool local_5 = {};
    bool local_6 = {};
    metal::float2 coefficients = {};
    bool local_7 = {};
    bool local_8 = {};
    bool local_9 = {};
    uint _e3 = params.elements;
    float len = static_cast<float>(_e3);
    float share = 1.0 / len;
    bool _e8 = in_row(0u, team_5, params);
    Column _e10 = column_of(0u, team_5, params);
    Mask _e11 = mask_of(_e10, _e8);
    bool _e13 = in_row(1u, team_5, params);
    Column _e15 = column_of(1u, team_5, params);
    Mask _e16 = mask_of(_e15, _e13);
    if (SHARED) {
        Column _e23 = column_of(0u, team_5, params);
        AffineAt _e24 = affine_column(_e23);
        Affine _e25 = affine_at(_e24, params, weight_1, bias_1, _buffer_sizes);
        affine_2.inner[0] = _e25;
        Column _e28 = column_of(1u, team_5, params);
        AffineAt _e29 = affine_column(_e28);
        Affine _e30 = affine_at(_e29, params, weight_1, bias_1, _buffer_sizes);
        affine_2.inner[1] = _e30;
    }
    uint2 loop_bound_2 = uint2(4294967295u);
    bool loop_init_2 = true;
    while(true) {
        if (metal::all(loop_bound_2 == uint2(0u))) { break; }
        loop_bound_2 -= uint2(loop_bound_2.y == 0u, 1u);
        if (!loop_init_2) {
            uint _e490 = round;
            round = _e490 + 1u;
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
            uint index = (_e38 * _e41) + team_5.index;
            uint _e48 = params.teams;
            if (team_5.index < _e48) {
                uint _e54 = params.rows;
                local_2 = index < _e54;
            } else {
                local_2 = false;
            }
            bool has_row = local_2;
            uint _e60 = params.rows;
            uint row_3 = metal::min(index, _e60 - 1u);
            uint _e66 = params.stride;
            First _e67 = first_of(row_3, _e66);
            shift = 0.0;
            if (true) {
                Column _e77 = column_of_lane(0u, 0u, 1u, true, team_5.index, false);
                At _e78 = at_of(_e67, _e77);
                Pack _e79 = load_x(_e78, input, _buffer_sizes);
                float _e80 = first_inside(_e79, _e77);
                shift = _e80;
            }
            At _e81 = at_of(_e67, _e10);
            Pack _e82 = load_x(_e81, input, _buffer_sizes);
            grad_0_ = metal::float4(0.0);
            if (EARLY) {
                Affine _e88 = affine_2.inner[0];
                At _e89 = at_of(_e67, _e10);
                Pack _e90 = row_gradient(_e82, _e88, _e89);
                Pack _e91 = masked(_e90, _e11);
                grad_0_ = _e91;
            }
            At _e92 = at_of(_e67, _e15);
            Pack _e93 = load_x(_e92, input, _buffer_sizes);
            grad_1_ = metal::float4(0.0);
            if (EARLY) {
                Affine _e99 = affine_2.inner[1];
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
                float _e126 = team_sum(_e125, team_5, leaves, branches);
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
            metal::float4 _e152 = d_sum;
            d_sum = _e152 + _e151;
            metal::float4 _e154 = measure_sum;
            Pack _e155 = measure(_e151);
            measure_sum = _e154 + _e155;
            if (SCALED) {
                metal::float4 _e158 = down_sum;
                Pack _e161 = measure(_e151 * DOWN);
                down_sum = _e158 + _e161;
                metal::float4 _e163 = up_sum;
                Pack _e166 = measure(_e151 * UP);
                up_sum = _e163 + _e166;
            }
            if (EARLY) {
                if (false) {
                    uint _e173 = params.first;
                    AffineAt _e175 = row_affine_index(_e173 + row_3, _e10, params);
                    Affine _e176 = affine_at(_e175, params, weight_1, bias_1, _buffer_sizes);
                    affine_2.inner[0] = _e176;
                }
                metal::float4 _e177 = grad_0_;
                Pack _e180 = affine_2.inner[0].weight;
                Pack _e181 = apply_weight(_e177, _e180);
                metal::float4 _e182 = g_sum;
                g_sum = _e182 + _e181;
                metal::float4 _e184 = gd_sum;
                gd_sum = _e184 + (_e181 * _e151);
            }
            float _e187 = mean_1;
            Pack _e190 = masked(_e93 - metal::float4(_e187), _e16);
            metal::float4 _e191 = d_sum;
            d_sum = _e191 + _e190;
            metal::float4 _e193 = measure_sum;
            Pack _e194 = measure(_e190);
            measure_sum = _e193 + _e194;
            if (SCALED) {
                metal::float4 _e197 = down_sum;
                Pack _e200 = measure(_e190 * DOWN);
                down_sum = _e197 + _e200;
                metal::float4 _e202 = up_sum;
                Pack _e205 = measure(_e190 * UP);
                up_sum = _e202 + _e205;
            }
            if (EARLY) {
                if (false) {
                    uint _e212 = params.first;
                    AffineAt _e214 = row_affine_index(_e212 + row_3, _e15, params);
                    Affine _e215 = affine_at(_e214, params, weight_1, bias_1, _buffer_sizes);
                    affine_2.inner[1] = _e215;
                }
                metal::float4 _e216 = grad_1_;
                Pack _e219 = affine_2.inner[1].weight;
                Pack _e220 = apply_weight(_e216, _e219);
                metal::float4 _e221 = g_sum;
                g_sum = _e221 + _e220;
                metal::float4 _e223 = gd_sum;
                gd_sum = _e223 + (_e220 * _e190);
            }
            metal::float4 _e226 = d_sum;
            float _e227 = pack_sum(_e226);
            metal::float4 _e228 = measure_sum;
            float _e229 = pack_sum(_e228);
            metal::float4 _e230 = g_sum;
            float _e231 = pack_sum(_e230);
            metal::float4 _e232 = gd_sum;
            float _e233 = pack_sum(_e232);
            sums_2 = metal::float4(_e227, _e229, _e231, _e233);
            measured = metal::float3 {};
            if (SCALED) {
                metal::float4 _e239 = down_sum;
                float _e240 = pack_sum(_e239);
                float _e242 = sums_2.y;
                metal::float4 _e243 = up_sum;
                float _e244 = pack_sum(_e243);
                metal::float4 _e247 = team_sum4_(metal::float4(_e240, _e242, _e244, 0.0), team_5, leaves, branches);
                measured = _e247.xyz;
            } else {
                if (EARLY) {
                    metal::float4 _e250 = sums_2;
                    metal::float4 _e251 = team_sum4_(_e250, team_5, leaves, branches);
                    sums_2 = _e251;
                } else {
                    metal::float4 _e252 = sums_2;
                    metal::float2 _e254 = team_sum2_(_e252.xy, team_5, leaves, branches);
                    sums_2 = metal::float4(_e254, 0.0, 0.0);
                }
                float _e260 = sums_2.y;
                measured.y = _e260;
            }
            float _e262 = sums_2.x;
            float correction = CENTERED ? (_e262 / len) : 0.0;
            metal::float3 _e267 = measured;
            float _e268 = scale_of(_e267);
            metal::float3 _e269 = measured;
            float _e270 = at_scale(_e269, _e268);
            float _e274 = rstd_of((_e270 / len) - (correction * correction), len, _e268, params);
            Pack y_0_ = ((_e151 - metal::float4(correction)) * _e268) * _e274;
            if (false) {
                local_3 = true;
            } else {
                local_3 = false;
            }
            bool _e284 = local_3;
            if (_e284) {
                uint _e288 = params.first;
                AffineAt _e290 = row_affine_index(_e288 + row_3, _e10, params);
                Affine _e291 = affine_at(_e290, params, weight_1, bias_1, _buffer_sizes);
                affine_2.inner[0] = _e291;
            }
            if (LATE) {
                Affine _e294 = affine_2.inner[0];
                At _e295 = at_of(_e67, _e10);
                Pack _e296 = row_gradient(y_0_, _e294, _e295);
                Pack _e297 = masked(_e296, _e11);
                grad_0_ = _e297;
                metal::float4 _e298 = grad_0_;
                Pack _e301 = affine_2.inner[0].weight;
                Pack _e302 = apply_weight(_e298, _e301);
                metal::float4 _e303 = g_sum;
                g_sum = _e303 + _e302;
                metal::float4 _e305 = gd_sum;
                gd_sum = _e305 + (_e302 * (_e151 * _e268));
            }
            if (SUMS) {
                local_4 = false;
            } else {
                local_4 = false;
            }
            bool _e314 = local_4;
            if (_e314) {
                Pack _e316 = grad_sum.inner[0];
                metal::float4 _e319 = grad_0_;
                grad_sum.inner[0] = _e316 + (has_row ? _e319 : metal::float4(0.0));
                Pack _e323 = grad_y_sum.inner[0];
                metal::float4 _e326 = grad_0_;
                grad_y_sum.inner[0] = _e323 + (has_row ? (_e326 * y_0_) : metal::float4(0.0));
            }
            Pack y_1_ = ((_e190 - metal::float4(correction)) * _e268) * _e274;
            if (false) {
                local_5 = true;
            } else {
                local_5 = false;
            }
            bool _e339 = local_5;
            if (_e339) {
                uint _e343 = params.first;
                AffineAt _e345 = row_affine_index(_e343 + row_3, _e15, params);
                Affine _e346 = affine_at(_e345, params, weight_1, bias_1, _buffer_sizes);
                affine_2.inner[1] = _e346;
            }
            if (LATE) {
                Affine _e349 = affine_2.inner[1];
                At _e350 = at_of(_e67, _e15);
                Pack _e351 = row_gradient(y_1_, _e349, _e350);
                Pack _e352 = masked(_e351, _e16);
                grad_1_ = _e352;
                metal::float4 _e353 = grad_1_;
                Pack _e356 = affine_2.inner[1].weight;
                Pack _e357 = apply_weight(_e353, _e356);
                metal::float4 _e358 = g_sum;
                g_sum = _e358 + _e357;
                metal::float4 _e360 = gd_sum;
                gd_sum = _e360 + (_e357 * (_e190 * _e268));
            }
            if (SUMS) {
                local_6 = false;
            } else {
                local_6 = false;
            }
            bool _e369 = local_6;
            if (_e369) {
                Pack _e371 = grad_sum.inner[1];
                metal::float4 _e374 = grad_1_;
                grad_sum.inner[1] = _e371 + (has_row ? _e374 : metal::float4(0.0));
                Pack _e378 = grad_y_sum.inner[1];
                metal::float4 _e381 = grad_1_;
                grad_y_sum.inner[1] = _e378 + (has_row ? (_e381 * y_1_) : metal::float4(0.0));
            }
            coefficients = metal::float2 {};
            if (BACKWARD) {
                if (LATE) {
                    metal::float4 _e389 = sums_2;
                    metal::float4 _e391 = g_sum;
                    float _e392 = pack_sum(_e391);
                    metal::float4 _e393 = gd_sum;
                    float _e394 = pack_sum(_e393);
                    metal::float2 _e396 = team_sum2_(metal::float2(_e392, _e394), team_5, leaves, branches);
                    sums_2 = metal::float4(_e389.xy, _e396);
                }
                float _e399 = sums_2.w;
                float _e401 = sums_2.z;
                float gy_sum = (_e399 - (correction * _e401)) * _e274;
                float _e406 = sums_2.z;
                float _e411 = product_share(len, _e274, _e268);
                coefficients = metal::float2(CENTERED ? (_e406 / len) : 0.0, gy_sum * _e411);
            }
            if (has_row) {
                if (_e8) {
                    if (SUMS) {
                        local_7 = SUMS_BRANCH;
                    } else {
                        local_7 = false;
                    }
                    bool _e419 = local_7;
                    if (_e419) {
                        Pack _e421 = grad_sum.inner[0];
                        metal::float4 _e422 = grad_0_;
                        grad_sum.inner[0] = _e421 + _e422;
                        Pack _e425 = grad_y_sum.inner[0];
                        metal::float4 _e426 = grad_0_;
                        grad_y_sum.inner[0] = _e425 + (_e426 * y_0_);
                    }
                    metal::float4 _e429 = grad_0_;
                    Pack _e432 = affine_2.inner[0].weight;
                    Pack _e433 = apply_weight(_e429, _e432);
                    At _e434 = at_of(_e67, _e10);
                    Affine _e436 = affine_2.inner[0];
                    float _e438 = coefficients.x;
                    Pack _e441 = measure_derivative(y_0_);
                    float _e443 = coefficients.y;
                    finish(_e434, _e436, _e82, y_0_, (((_e433 - metal::float4(_e438)) - (_e441 * _e443)) * _e274) * _e268, output, _buffer_sizes);
                }
                if (_e13) {
                    if (SUMS) {
                        local_8 = SUMS_BRANCH;
                    } else {
                        local_8 = false;
                    }
                    bool _e453 = local_8;
                    if (_e453) {
                        Pack _e455 = grad_sum.inner[1];
                        metal::float4 _e456 = grad_1_;
                        grad_sum.inner[1] = _e455 + _e456;
                        Pack _e459 = grad_y_sum.inner[1];
                        metal::float4 _e460 = grad_1_;
                        grad_y_sum.inner[1] = _e459 + (_e460 * y_1_);
                    }
                    metal::float4 _e463 = grad_1_;
                    Pack _e466 = affine_2.inner[1].weight;
                    Pack _e467 = apply_weight(_e463, _e466);
                    At _e468 = at_of(_e67, _e15);
                    Affine _e470 = affine_2.inner[1];
                    float _e472 = coefficients.x;
                    Pack _e475 = measure_derivative(y_1_);
                    float _e477 = coefficients.y;
                    finish(_e468, _e470, _e93, y_1_, (((_e467 - metal::float4(_e472)) - (_e475 * _e477)) * _e274) * _e268, output, _buffer_sizes);
                }
                if (team_5.lane == 0u) {
                    uint _e487 = params.first;
                    float _e489 = mean_1;
                    save(_e487 + row_3, _e489, correction, _e274, _e268);
                }
            }
        }
    }
    if (SUMS) {
        uint _e499 = params.teams;
        local_9 = team_5.index < _e499;
    } else {
        local_9 = false;
    }
    bool _e502 = local_9;
    if (_e502) {
        bool _e504 = in_row(0u, team_5, params);
        if (_e504) {
            uint _e507 = params.first_partial;
            uint _e511 = params.elements;
            uint to = _e507 + (team_5.index * _e511);
            Column _e515 = column_of(0u, team_5, params);
            Pack _e517 = grad_sum.inner[0];
            Pack _e519 = grad_y_sum.inner[0];
            put_partial_sums(to, _e515, _e517, _e519);
        }
        bool _e521 = in_row(1u, team_5, params);
        if (_e521) {
            uint _e524 = params.first_partial;
            uint _e528 = params.elements;
            uint to_1 = _e524 + (team_5.index * _e528);
            Column _e532 = column_of(1u, team_5, params);
            Pack _e534 = grad_sum.inner[1];
            Pack _e536 = grad_y_sum.inner[1];
            put_partial_sums(to_1, _e532, _e534, _e536);
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
, threadgroup type_4& leaves
, threadgroup type_5& branches
, constant Params& params [[user(fake0)]]
, device type_7 const& weight_1 [[user(fake0)]]
, device type_7 const& bias_1 [[user(fake0)]]
, device type_7 const& input [[user(fake0)]]
, device type_7& output [[user(fake0)]]
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
