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
typedef uint At;
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
    uint input_stride;
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

At column_at(
    uint pack
) {
    return pack;
}

uint number_of(
    At column
) {
    return column;
}

uint first_of(
    uint row,
    uint stride
) {
    return row * stride;
}

At at_of(
    uint first,
    At column_1
) {
    return first + column_1;
}

float first_inside(
    Pack v_2,
    At column_2
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

At column_of_lane(
    uint k_1,
    uint lane_1,
    uint lanes_1,
    bool is_there,
    uint row_1,
    bool middle
) {
    uint _e7 = pack_of(k_1, lane_1, lanes_1);
    At _e9 = column_at(is_there ? _e7 : 0u);
    return _e9;
}

Mask mask_of(
    At column_3,
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

At column_of(
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
    At _e14 = column_of_lane(k_3, team_4.lane, team_4.lanes, _e4, team_4.index, _e13);
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
    At column_4
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
    At input_at,
    At at,
    device type_7 const& input,
    constant _mslBufferSizes& _buffer_sizes
) {
    metal::float4 _e2 = load_input(input_at, input, _buffer_sizes);
    return _e2;
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
    At column_5,
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

Pack add_after(
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
    Pack _e9 = add_after(_e8, at_5);
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
    float rstd_value
) {
    return;
}

void put_partial_sums(
    uint first_1,
    At column_6,
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
    At _e10 = column_of(0u, team_5, params);
    Mask _e11 = mask_of(_e10, _e8);
    bool _e13 = in_row(1u, team_5, params);
    At _e15 = column_of(1u, team_5, params);
    Mask _e16 = mask_of(_e15, _e13);
    if (SHARED) {
        At _e23 = column_of(0u, team_5, params);
        AffineAt _e24 = affine_column(_e23);
        Affine _e25 = affine_at(_e24, params, weight_1, bias_1, _buffer_sizes);
        affine_2.inner[0] = _e25;
        At _e28 = column_of(1u, team_5, params);
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
            uint _e498 = round;
            round = _e498 + 1u;
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
            uint _e67 = first_of(row_3, _e66);
            uint _e70 = params.input_stride;
            uint _e71 = first_of(row_3, _e70);
            shift = 0.0;
            if (true) {
                At _e81 = column_of_lane(0u, 0u, 1u, true, team_5.index, false);
                At _e82 = at_of(_e71, _e81);
                At _e83 = at_of(_e67, _e81);
                Pack _e84 = load_x(_e82, _e83, input, _buffer_sizes);
                float _e85 = first_inside(_e84, _e81);
                shift = _e85;
            }
            At _e86 = at_of(_e71, _e10);
            At _e87 = at_of(_e67, _e10);
            Pack _e88 = load_x(_e86, _e87, input, _buffer_sizes);
            grad_0_ = metal::float4(0.0);
            if (EARLY) {
                Affine _e94 = affine_2.inner[0];
                At _e95 = at_of(_e67, _e10);
                Pack _e96 = row_gradient(_e88, _e94, _e95);
                Pack _e97 = masked(_e96, _e11);
                grad_0_ = _e97;
            }
            At _e98 = at_of(_e71, _e15);
            At _e99 = at_of(_e67, _e15);
            Pack _e100 = load_x(_e98, _e99, input, _buffer_sizes);
            grad_1_ = metal::float4(0.0);
            if (EARLY) {
                Affine _e106 = affine_2.inner[1];
                At _e107 = at_of(_e67, _e15);
                Pack _e108 = row_gradient(_e100, _e106, _e107);
                Pack _e109 = masked(_e108, _e16);
                grad_1_ = _e109;
            }
            shares = metal::float4(0.0);
            metal::float4 _e113 = shares;
            float _e114 = shift;
            Pack _e118 = masked((_e88 - metal::float4(_e114)) * share, _e11);
            shares = _e113 + _e118;
            metal::float4 _e120 = shares;
            float _e121 = shift;
            Pack _e125 = masked((_e100 - metal::float4(_e121)) * share, _e16);
            shares = _e120 + _e125;
            mean_1 = 0.0;
            if (CENTERED) {
                float _e130 = shift;
                metal::float4 _e131 = shares;
                float _e132 = pack_sum(_e131);
                float _e133 = team_sum(_e132, team_5, leaves, branches);
                float _e135 = first_inside(_e88, _e10);
                float _e136 = rounded(_e130 + _e133, _e135, params);
                mean_1 = _e136;
            }
            d_sum = metal::float4(0.0);
            measure_sum = metal::float4(0.0);
            down_sum = metal::float4(0.0);
            up_sum = metal::float4(0.0);
            g_sum = metal::float4(0.0);
            gd_sum = metal::float4(0.0);
            float _e155 = mean_1;
            Pack _e158 = masked(_e88 - metal::float4(_e155), _e11);
            metal::float4 _e159 = d_sum;
            d_sum = _e159 + _e158;
            metal::float4 _e161 = measure_sum;
            Pack _e162 = measure(_e158);
            measure_sum = _e161 + _e162;
            if (SCALED) {
                metal::float4 _e165 = down_sum;
                Pack _e168 = measure(_e158 * DOWN);
                down_sum = _e165 + _e168;
                metal::float4 _e170 = up_sum;
                Pack _e173 = measure(_e158 * UP);
                up_sum = _e170 + _e173;
            }
            if (EARLY) {
                if (false) {
                    uint _e180 = params.first;
                    AffineAt _e182 = row_affine_index(_e180 + row_3, _e10, params);
                    Affine _e183 = affine_at(_e182, params, weight_1, bias_1, _buffer_sizes);
                    affine_2.inner[0] = _e183;
                }
                metal::float4 _e184 = grad_0_;
                Pack _e187 = affine_2.inner[0].weight;
                Pack _e188 = apply_weight(_e184, _e187);
                metal::float4 _e189 = g_sum;
                g_sum = _e189 + _e188;
                metal::float4 _e191 = gd_sum;
                gd_sum = _e191 + (_e188 * _e158);
            }
            float _e194 = mean_1;
            Pack _e197 = masked(_e100 - metal::float4(_e194), _e16);
            metal::float4 _e198 = d_sum;
            d_sum = _e198 + _e197;
            metal::float4 _e200 = measure_sum;
            Pack _e201 = measure(_e197);
            measure_sum = _e200 + _e201;
            if (SCALED) {
                metal::float4 _e204 = down_sum;
                Pack _e207 = measure(_e197 * DOWN);
                down_sum = _e204 + _e207;
                metal::float4 _e209 = up_sum;
                Pack _e212 = measure(_e197 * UP);
                up_sum = _e209 + _e212;
            }
            if (EARLY) {
                if (false) {
                    uint _e219 = params.first;
                    AffineAt _e221 = row_affine_index(_e219 + row_3, _e15, params);
                    Affine _e222 = affine_at(_e221, params, weight_1, bias_1, _buffer_sizes);
                    affine_2.inner[1] = _e222;
                }
                metal::float4 _e223 = grad_1_;
                Pack _e226 = affine_2.inner[1].weight;
                Pack _e227 = apply_weight(_e223, _e226);
                metal::float4 _e228 = g_sum;
                g_sum = _e228 + _e227;
                metal::float4 _e230 = gd_sum;
                gd_sum = _e230 + (_e227 * _e197);
            }
            metal::float4 _e233 = d_sum;
            float _e234 = pack_sum(_e233);
            metal::float4 _e235 = measure_sum;
            float _e236 = pack_sum(_e235);
            metal::float4 _e237 = g_sum;
            float _e238 = pack_sum(_e237);
            metal::float4 _e239 = gd_sum;
            float _e240 = pack_sum(_e239);
            sums_2 = metal::float4(_e234, _e236, _e238, _e240);
            measured = metal::float3 {};
            if (SCALED) {
                metal::float4 _e246 = down_sum;
                float _e247 = pack_sum(_e246);
                float _e249 = sums_2.y;
                metal::float4 _e250 = up_sum;
                float _e251 = pack_sum(_e250);
                metal::float4 _e254 = team_sum4_(metal::float4(_e247, _e249, _e251, 0.0), team_5, leaves, branches);
                measured = _e254.xyz;
            } else {
                if (EARLY) {
                    metal::float4 _e257 = sums_2;
                    metal::float4 _e258 = team_sum4_(_e257, team_5, leaves, branches);
                    sums_2 = _e258;
                } else {
                    metal::float4 _e259 = sums_2;
                    metal::float2 _e261 = team_sum2_(_e259.xy, team_5, leaves, branches);
                    sums_2 = metal::float4(_e261, 0.0, 0.0);
                }
                float _e267 = sums_2.y;
                measured.y = _e267;
            }
            float _e269 = sums_2.x;
            float correction = CENTERED ? (_e269 / len) : 0.0;
            metal::float3 _e274 = measured;
            float _e275 = scale_of(_e274);
            metal::float3 _e276 = measured;
            float _e277 = at_scale(_e276, _e275);
            float _e281 = rstd_of((_e277 / len) - (correction * correction), len, _e275, params);
            Pack y_0_ = ((_e158 - metal::float4(correction)) * _e275) * _e281;
            if (false) {
                local_3 = true;
            } else {
                local_3 = false;
            }
            bool _e291 = local_3;
            if (_e291) {
                uint _e295 = params.first;
                AffineAt _e297 = row_affine_index(_e295 + row_3, _e10, params);
                Affine _e298 = affine_at(_e297, params, weight_1, bias_1, _buffer_sizes);
                affine_2.inner[0] = _e298;
            }
            if (LATE) {
                Affine _e301 = affine_2.inner[0];
                At _e302 = at_of(_e67, _e10);
                Pack _e303 = row_gradient(y_0_, _e301, _e302);
                Pack _e304 = masked(_e303, _e11);
                grad_0_ = _e304;
                metal::float4 _e305 = grad_0_;
                Pack _e308 = affine_2.inner[0].weight;
                Pack _e309 = apply_weight(_e305, _e308);
                metal::float4 _e310 = g_sum;
                g_sum = _e310 + _e309;
                metal::float4 _e312 = gd_sum;
                gd_sum = _e312 + (_e309 * (_e158 * _e275));
            }
            if (SUMS) {
                local_4 = false;
            } else {
                local_4 = false;
            }
            bool _e321 = local_4;
            if (_e321) {
                Pack _e323 = grad_sum.inner[0];
                metal::float4 _e326 = grad_0_;
                grad_sum.inner[0] = _e323 + (has_row ? _e326 : metal::float4(0.0));
                Pack _e330 = grad_y_sum.inner[0];
                metal::float4 _e333 = grad_0_;
                grad_y_sum.inner[0] = _e330 + (has_row ? (_e333 * y_0_) : metal::float4(0.0));
            }
            Pack y_1_ = ((_e197 - metal::float4(correction)) * _e275) * _e281;
            if (false) {
                local_5 = true;
            } else {
                local_5 = false;
            }
            bool _e346 = local_5;
            if (_e346) {
                uint _e350 = params.first;
                AffineAt _e352 = row_affine_index(_e350 + row_3, _e15, params);
                Affine _e353 = affine_at(_e352, params, weight_1, bias_1, _buffer_sizes);
                affine_2.inner[1] = _e353;
            }
            if (LATE) {
                Affine _e356 = affine_2.inner[1];
                At _e357 = at_of(_e67, _e15);
                Pack _e358 = row_gradient(y_1_, _e356, _e357);
                Pack _e359 = masked(_e358, _e16);
                grad_1_ = _e359;
                metal::float4 _e360 = grad_1_;
                Pack _e363 = affine_2.inner[1].weight;
                Pack _e364 = apply_weight(_e360, _e363);
                metal::float4 _e365 = g_sum;
                g_sum = _e365 + _e364;
                metal::float4 _e367 = gd_sum;
                gd_sum = _e367 + (_e364 * (_e197 * _e275));
            }
            if (SUMS) {
                local_6 = false;
            } else {
                local_6 = false;
            }
            bool _e376 = local_6;
            if (_e376) {
                Pack _e378 = grad_sum.inner[1];
                metal::float4 _e381 = grad_1_;
                grad_sum.inner[1] = _e378 + (has_row ? _e381 : metal::float4(0.0));
                Pack _e385 = grad_y_sum.inner[1];
                metal::float4 _e388 = grad_1_;
                grad_y_sum.inner[1] = _e385 + (has_row ? (_e388 * y_1_) : metal::float4(0.0));
            }
            coefficients = metal::float2 {};
            if (BACKWARD) {
                if (LATE) {
                    metal::float4 _e396 = sums_2;
                    metal::float4 _e398 = g_sum;
                    float _e399 = pack_sum(_e398);
                    metal::float4 _e400 = gd_sum;
                    float _e401 = pack_sum(_e400);
                    metal::float2 _e403 = team_sum2_(metal::float2(_e399, _e401), team_5, leaves, branches);
                    sums_2 = metal::float4(_e396.xy, _e403);
                }
                float _e406 = sums_2.w;
                float _e408 = sums_2.z;
                float gy_sum = (_e406 - (correction * _e408)) * _e281;
                float _e413 = sums_2.z;
                float _e418 = product_share(len, _e281, _e275);
                coefficients = metal::float2(CENTERED ? (_e413 / len) : 0.0, gy_sum * _e418);
            }
            if (has_row) {
                if (_e8) {
                    if (SUMS) {
                        local_7 = SUMS_BRANCH;
                    } else {
                        local_7 = false;
                    }
                    bool _e426 = local_7;
                    if (_e426) {
                        Pack _e428 = grad_sum.inner[0];
                        metal::float4 _e429 = grad_0_;
                        grad_sum.inner[0] = _e428 + _e429;
                        Pack _e432 = grad_y_sum.inner[0];
                        metal::float4 _e433 = grad_0_;
                        grad_y_sum.inner[0] = _e432 + (_e433 * y_0_);
                    }
                    metal::float4 _e436 = grad_0_;
                    Pack _e439 = affine_2.inner[0].weight;
                    Pack _e440 = apply_weight(_e436, _e439);
                    At _e441 = at_of(_e67, _e10);
                    Affine _e443 = affine_2.inner[0];
                    float _e445 = coefficients.x;
                    Pack _e448 = measure_derivative(y_0_);
                    float _e450 = coefficients.y;
                    finish(_e441, _e443, _e88, y_0_, (((_e440 - metal::float4(_e445)) - (_e448 * _e450)) * _e281) * _e275, output, _buffer_sizes);
                }
                if (_e13) {
                    if (SUMS) {
                        local_8 = SUMS_BRANCH;
                    } else {
                        local_8 = false;
                    }
                    bool _e460 = local_8;
                    if (_e460) {
                        Pack _e462 = grad_sum.inner[1];
                        metal::float4 _e463 = grad_1_;
                        grad_sum.inner[1] = _e462 + _e463;
                        Pack _e466 = grad_y_sum.inner[1];
                        metal::float4 _e467 = grad_1_;
                        grad_y_sum.inner[1] = _e466 + (_e467 * y_1_);
                    }
                    metal::float4 _e470 = grad_1_;
                    Pack _e473 = affine_2.inner[1].weight;
                    Pack _e474 = apply_weight(_e470, _e473);
                    At _e475 = at_of(_e67, _e15);
                    Affine _e477 = affine_2.inner[1];
                    float _e479 = coefficients.x;
                    Pack _e482 = measure_derivative(y_1_);
                    float _e484 = coefficients.y;
                    finish(_e475, _e477, _e100, y_1_, (((_e474 - metal::float4(_e479)) - (_e482 * _e484)) * _e281) * _e275, output, _buffer_sizes);
                }
                if (team_5.lane == 0u) {
                    uint _e494 = params.first;
                    float _e496 = mean_1;
                    save(_e494 + row_3, _e496, correction, _e281 * _e275);
                }
            }
        }
    }
    if (SUMS) {
        uint _e507 = params.teams;
        local_9 = team_5.index < _e507;
    } else {
        local_9 = false;
    }
    bool _e510 = local_9;
    if (_e510) {
        bool _e512 = in_row(0u, team_5, params);
        if (_e512) {
            uint _e515 = params.first_partial;
            uint _e519 = params.elements;
            uint to = _e515 + (team_5.index * _e519);
            At _e523 = column_of(0u, team_5, params);
            Pack _e525 = grad_sum.inner[0];
            Pack _e527 = grad_y_sum.inner[0];
            put_partial_sums(to, _e523, _e525, _e527);
        }
        bool _e529 = in_row(1u, team_5, params);
        if (_e529) {
            uint _e532 = params.first_partial;
            uint _e536 = params.elements;
            uint to_1 = _e532 + (team_5.index * _e536);
            At _e540 = column_of(1u, team_5, params);
            Pack _e542 = grad_sum.inner[1];
            Pack _e544 = grad_y_sum.inner[1];
            put_partial_sums(to_1, _e540, _e542, _e544);
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
