// language: metal2.4
#include <metal_stdlib>
#include <simd/simd.h>

using metal::uint;

struct _mslBufferSizes {
    uint size0;
    uint size1;
    uint size2;
    uint size3;
};

typedef metal::float4 Pack;
typedef uint ParamAt;
typedef uint At;
typedef metal::float4 type_4[1];
struct Team {
    uint index;
    uint lane;
    uint lanes;
};
struct type_7 {
    metal::float2 inner[64];
};
struct type_8 {
    metal::float2 inner[4];
};
struct Params {
    uint rows;
    uint first;
    uint packs;
    uint stride;
    uint input_stride;
    uint rounds;
    uint teams;
    uint elements;
    float eps;
    float weight_offset;
    uint stats_stride;
    uint first_partial;
    uint param_rows;
    uint param_quotient;
    uint param_remainder;
    uint param_run;
    uint zero;
};
typedef bool Mask;
struct Affine {
    Pack weight;
    Pack bias;
};
struct type_9 {
    Affine inner[2];
};
struct type_10 {
    Pack inner[2];
};
constant uint WORKGROUP_SIZE = 64u;
constant bool SHARED = true;
constant bool HALVES = false;
constant uint FULL = 1u;
constant uint BLOCK = 2u;
constant uint PACK = 4u;
constant uint FAN_IN = 16u;
constant bool BACKWARD = false;
constant bool BACKWARD_NEEDS_Y = false;
constant bool EARLY = false;
constant bool CENTERED = true;
constant bool SUMS = false;
constant bool SUMS_BRANCH = true;

uint number_of(
    At column
) {
    return column;
}

ParamAt param_column(
    At column_1
) {
    uint _e1 = number_of(column_1);
    return _e1;
}

metal::float4 load_input(
    uint i,
    device type_4 const& input,
    constant _mslBufferSizes& _buffer_sizes
) {
    metal::float4 _e3 = input[i];
    return _e3;
}

metal::float4 load_weight(
    uint i_1,
    device type_4 const& weight_1,
    constant _mslBufferSizes& _buffer_sizes
) {
    metal::float4 _e3 = weight_1[i_1];
    return _e3;
}

metal::float4 load_bias(
    uint i_2,
    device type_4 const& bias_1,
    constant _mslBufferSizes& _buffer_sizes
) {
    metal::float4 _e3 = bias_1[i_2];
    return _e3;
}

void store_output(
    uint i_3,
    metal::float4 v,
    device type_4& output,
    constant _mslBufferSizes& _buffer_sizes
) {
    output[i_3] = v;
    return;
}

float pack_first(
    Pack v_1
) {
    return v_1.x;
}

float pack_sum(
    Pack v_2
) {
    return (v_2.x + v_2.y) + (v_2.z + v_2.w);
}

float pack_component(
    Pack v_3,
    uint i_4
) {
    return v_3[i_4];
}

Pack pack_nan_of(
    Pack u,
    Pack v_4
) {
    return metal::select(v_4, u, (as_type<metal::uint4>(u) & metal::uint4(2147483647u)) > metal::uint4(2139095040u));
}

At column_at(
    uint pack
) {
    return pack;
}

uint first_of(
    uint row,
    uint stride
) {
    return row * stride;
}

At at_of(
    uint first,
    At column_2
) {
    return first + column_2;
}

float first_inside(
    Pack v_5,
    At column_3
) {
    float _e2 = pack_first(v_5);
    return _e2;
}

uint element_of(
    At column_4,
    uint i_5
) {
    return (column_4 * PACK) + i_5;
}

float elements_of(
    uint packs
) {
    return static_cast<float>(packs * PACK);
}

metal::uint4 indices_of(
    At column_5
) {
    return metal::uint4(column_5 * 4u) + metal::uint4(0u, 1u, 2u, 3u);
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

metal::float2 team_sum2_(
    metal::float2 v_6,
    Team team,
    threadgroup type_7& leaves,
    threadgroup type_8& branches
) {
    metal::float2 sum = {};
    uint i_6 = 1u;
    metal::float2 total = {};
    uint i_7 = 1u;
    leaves.inner[team.lane] = v_6;
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
                uint _e27 = i_6;
                i_6 = _e27 + 1u;
            }
            loop_init = false;
            uint _e15 = i_6;
            if (_e15 < FAN_IN) {
            } else {
                break;
            }
            {
                metal::float2 _e18 = sum;
                uint _e21 = i_6;
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
            uint _e48 = i_7;
            i_7 = _e48 + 1u;
        }
        loop_init_1 = false;
        uint _e40 = i_7;
        if (_e40 < 4u) {
        } else {
            break;
        }
        {
            metal::float2 _e42 = total;
            uint _e44 = i_7;
            metal::float2 _e46 = branches.inner[_e44];
            total = _e42 + _e46;
        }
    }
    metal::float2 _e51 = total;
    return _e51;
}

float team_sum(
    float v_7,
    Team team_1,
    threadgroup type_7& leaves,
    threadgroup type_8& branches
) {
    metal::float2 _e4 = team_sum2_(metal::float2(v_7, 0.0), team_1, leaves, branches);
    return _e4.x;
}

metal::float4 team_sum4_(
    metal::float4 v_8,
    Team team_2,
    threadgroup type_7& leaves,
    threadgroup type_8& branches
) {
    metal::float2 _e3 = team_sum2_(v_8.xy, team_2, leaves, branches);
    metal::float2 _e5 = team_sum2_(v_8.zw, team_2, leaves, branches);
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

Mask mask_of(
    At column_6,
    bool counts
) {
    return counts;
}

Pack weight_at(
    ParamAt i_8,
    device type_4 const& weight_1,
    constant Params& params,
    constant _mslBufferSizes& _buffer_sizes
) {
    metal::float4 _e1 = load_weight(i_8, weight_1, _buffer_sizes);
    float _e4 = params.weight_offset;
    return _e1 + metal::float4(_e4);
}

Pack bias_at(
    ParamAt i_9,
    device type_4 const& bias_1,
    constant _mslBufferSizes& _buffer_sizes
) {
    metal::float4 _e1 = load_bias(i_9, bias_1, _buffer_sizes);
    return _e1;
}

Affine affine_at(
    ParamAt i_10,
    device type_4 const& weight_1,
    device type_4 const& bias_1,
    constant Params& params,
    constant _mslBufferSizes& _buffer_sizes
) {
    Pack _e1 = weight_at(i_10, weight_1, params, _buffer_sizes);
    Pack _e2 = bias_at(i_10, bias_1, _buffer_sizes);
    return Affine {_e1, _e2};
}

Pack load_x(
    At input_at,
    At at,
    device type_4 const& input,
    constant _mslBufferSizes& _buffer_sizes
) {
    metal::float4 _e2 = load_input(input_at, input, _buffer_sizes);
    return _e2;
}

Pack masked(
    Pack v_9,
    Mask mask
) {
    return mask ? v_9 : metal::float4(0.0);
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

ParamAt param_index(
    uint row_2,
    At column_7,
    constant Params& params
) {
    uint _e4 = params.param_rows;
    uint _e8 = params.param_quotient;
    uint _e12 = params.param_rows;
    uint _e16 = params.param_remainder;
    uint first_3 = (naga_div(row_2, _e4) * _e8) + (naga_mod(row_2, _e12) * _e16);
    ParamAt _e19 = param_column(column_7);
    return first_3 + _e19;
}

Pack apply_weight(
    Pack y_1,
    Pack weight
) {
    return y_1 * weight;
}

float rstd_of(
    float power,
    float count,
    constant Params& params
) {
    float _e11 = params.eps;
    return metal::rsqrt((((as_type<uint>(power) - 2147483648u) <= 2139095040u) ? 0.0 : power) + _e11);
}

float pull(
    float count_1,
    float rstd
) {
    return 1.0 / count_1;
}

void store_sum(
    At at_2,
    Pack x_1
) {
    return;
}

void store_result(
    At at_3,
    Pack y_2,
    device type_4& output,
    constant _mslBufferSizes& _buffer_sizes
) {
    store_output(at_3, y_2, output, _buffer_sizes);
    return;
}

Pack activate(
    Pack u_1
) {
    return u_1;
}

Pack add_after(
    Pack u_2,
    At at_4
) {
    return u_2;
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
    device type_4& output,
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

Pack slope(
    Pack y_5
) {
    return y_5;
}

void save(
    uint i_11,
    float hi,
    float lo,
    float rstd_value
) {
    return;
}

void put_partial_sums(
    uint first_1,
    At column_8,
    Pack g,
    Pack gy
) {
    return;
}

void run(
    Team team_5,
    device type_4 const& input,
    device type_4 const& weight_1,
    device type_4 const& bias_1,
    device type_4& output,
    threadgroup type_7& leaves,
    threadgroup type_8& branches,
    constant Params& params,
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
    metal::float4 g_sum = {};
    metal::float4 gd_sum = {};
    metal::float4 sums = {};
    bool local_3 = {};
    bool local_4 = {};
    bool local_5 = {};
    bool local_6 = {};
    metal::float2 lost = {};
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
        ParamAt _e24 = param_column(_e23);
        Affine _e25 = affine_at(_e24, weight_1, bias_1, params, _buffer_sizes);
        affine_2.inner[0] = _e25;
        At _e28 = column_of(1u, team_5, params);
        ParamAt _e29 = param_column(_e28);
        Affine _e30 = affine_at(_e29, weight_1, bias_1, params, _buffer_sizes);
        affine_2.inner[1] = _e30;
    }
    uint2 loop_bound_2 = uint2(4294967295u);
    bool loop_init_2 = true;
    while(true) {
        if (metal::all(loop_bound_2 == uint2(0u))) { break; }
        loop_bound_2 -= uint2(loop_bound_2.y == 0u, 1u);
        if (!loop_init_2) {
            uint _e445 = round;
            round = _e445 + 1u;
        }
        loop_init_2 = false;
        uint _e33 = round;
        uint _e36 = params.rounds;
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
            g_sum = metal::float4(0.0);
            gd_sum = metal::float4(0.0);
            float _e149 = mean_1;
            Pack _e152 = masked(_e88 - metal::float4(_e149), _e11);
            metal::float4 _e153 = d_sum;
            d_sum = _e153 + _e152;
            metal::float4 _e155 = measure_sum;
            Pack _e156 = measure(_e152);
            measure_sum = _e155 + _e156;
            if (EARLY) {
                if (false) {
                    uint _e163 = params.first;
                    ParamAt _e165 = param_index(_e163 + row_3, _e10, params);
                    Affine _e166 = affine_at(_e165, weight_1, bias_1, params, _buffer_sizes);
                    affine_2.inner[0] = _e166;
                }
                metal::float4 _e167 = grad_0_;
                Pack _e170 = affine_2.inner[0].weight;
                Pack _e171 = apply_weight(_e167, _e170);
                metal::float4 _e172 = g_sum;
                g_sum = _e172 + _e171;
                metal::float4 _e174 = gd_sum;
                gd_sum = _e174 + (_e171 * _e152);
            }
            float _e177 = mean_1;
            Pack _e180 = masked(_e100 - metal::float4(_e177), _e16);
            metal::float4 _e181 = d_sum;
            d_sum = _e181 + _e180;
            metal::float4 _e183 = measure_sum;
            Pack _e184 = measure(_e180);
            measure_sum = _e183 + _e184;
            if (EARLY) {
                if (false) {
                    uint _e191 = params.first;
                    ParamAt _e193 = param_index(_e191 + row_3, _e15, params);
                    Affine _e194 = affine_at(_e193, weight_1, bias_1, params, _buffer_sizes);
                    affine_2.inner[1] = _e194;
                }
                metal::float4 _e195 = grad_1_;
                Pack _e198 = affine_2.inner[1].weight;
                Pack _e199 = apply_weight(_e195, _e198);
                metal::float4 _e200 = g_sum;
                g_sum = _e200 + _e199;
                metal::float4 _e202 = gd_sum;
                gd_sum = _e202 + (_e199 * _e180);
            }
            metal::float4 _e205 = d_sum;
            float _e206 = pack_sum(_e205);
            metal::float4 _e207 = measure_sum;
            float _e208 = pack_sum(_e207);
            metal::float4 _e209 = g_sum;
            float _e210 = pack_sum(_e209);
            metal::float4 _e211 = gd_sum;
            float _e212 = pack_sum(_e211);
            sums = metal::float4(_e206, _e208, _e210, _e212);
            if (EARLY) {
                metal::float4 _e216 = sums;
                metal::float4 _e217 = team_sum4_(_e216, team_5, leaves, branches);
                sums = _e217;
            } else {
                metal::float4 _e218 = sums;
                metal::float2 _e220 = team_sum2_(_e218.xy, team_5, leaves, branches);
                sums = metal::float4(_e220, 0.0, 0.0);
            }
            metal::float4 _e224 = sums;
            metal::float2 moments = _e224.xy / metal::float2(len);
            float correction = CENTERED ? moments.x : 0.0;
            float _e235 = rstd_of(moments.y - (correction * correction), len, params);
            Pack y_0_ = (_e152 - metal::float4(correction)) * _e235;
            if (false) {
                local_3 = true;
            } else {
                local_3 = false;
            }
            bool _e244 = local_3;
            if (_e244) {
                uint _e248 = params.first;
                ParamAt _e250 = param_index(_e248 + row_3, _e10, params);
                Affine _e251 = affine_at(_e250, weight_1, bias_1, params, _buffer_sizes);
                affine_2.inner[0] = _e251;
            }
            if (BACKWARD_NEEDS_Y) {
                Affine _e254 = affine_2.inner[0];
                At _e255 = at_of(_e67, _e10);
                Pack _e256 = row_gradient(y_0_, _e254, _e255);
                Pack _e257 = masked(_e256, _e11);
                grad_0_ = _e257;
                metal::float4 _e258 = grad_0_;
                Pack _e261 = affine_2.inner[0].weight;
                Pack _e262 = apply_weight(_e258, _e261);
                metal::float4 _e263 = g_sum;
                g_sum = _e263 + _e262;
                metal::float4 _e265 = gd_sum;
                gd_sum = _e265 + (_e262 * _e152);
            }
            if (SUMS) {
                local_4 = false;
            } else {
                local_4 = false;
            }
            bool _e273 = local_4;
            if (_e273) {
                Pack _e275 = grad_sum.inner[0];
                metal::float4 _e278 = grad_0_;
                grad_sum.inner[0] = _e275 + (has_row ? _e278 : metal::float4(0.0));
                Pack _e282 = grad_y_sum.inner[0];
                metal::float4 _e285 = grad_0_;
                grad_y_sum.inner[0] = _e282 + (has_row ? (_e285 * y_0_) : metal::float4(0.0));
            }
            Pack y_1_ = (_e180 - metal::float4(correction)) * _e235;
            if (false) {
                local_5 = true;
            } else {
                local_5 = false;
            }
            bool _e297 = local_5;
            if (_e297) {
                uint _e301 = params.first;
                ParamAt _e303 = param_index(_e301 + row_3, _e15, params);
                Affine _e304 = affine_at(_e303, weight_1, bias_1, params, _buffer_sizes);
                affine_2.inner[1] = _e304;
            }
            if (BACKWARD_NEEDS_Y) {
                Affine _e307 = affine_2.inner[1];
                At _e308 = at_of(_e67, _e15);
                Pack _e309 = row_gradient(y_1_, _e307, _e308);
                Pack _e310 = masked(_e309, _e16);
                grad_1_ = _e310;
                metal::float4 _e311 = grad_1_;
                Pack _e314 = affine_2.inner[1].weight;
                Pack _e315 = apply_weight(_e311, _e314);
                metal::float4 _e316 = g_sum;
                g_sum = _e316 + _e315;
                metal::float4 _e318 = gd_sum;
                gd_sum = _e318 + (_e315 * _e180);
            }
            if (SUMS) {
                local_6 = false;
            } else {
                local_6 = false;
            }
            bool _e326 = local_6;
            if (_e326) {
                Pack _e328 = grad_sum.inner[1];
                metal::float4 _e331 = grad_1_;
                grad_sum.inner[1] = _e328 + (has_row ? _e331 : metal::float4(0.0));
                Pack _e335 = grad_y_sum.inner[1];
                metal::float4 _e338 = grad_1_;
                grad_y_sum.inner[1] = _e335 + (has_row ? (_e338 * y_1_) : metal::float4(0.0));
            }
            lost = metal::float2 {};
            if (BACKWARD) {
                if (BACKWARD_NEEDS_Y) {
                    metal::float4 _e346 = sums;
                    metal::float4 _e348 = g_sum;
                    float _e349 = pack_sum(_e348);
                    metal::float4 _e350 = gd_sum;
                    float _e351 = pack_sum(_e350);
                    metal::float2 _e353 = team_sum2_(metal::float2(_e349, _e351), team_5, leaves, branches);
                    sums = metal::float4(_e346.xy, _e353);
                }
                float _e356 = sums.w;
                float _e358 = sums.z;
                float gy_sum = (_e356 - (correction * _e358)) * _e235;
                float _e363 = sums.z;
                float _e368 = pull(len, _e235);
                lost = metal::float2(CENTERED ? (_e363 / len) : 0.0, gy_sum * _e368);
            }
            if (has_row) {
                if (_e8) {
                    if (SUMS) {
                        local_7 = SUMS_BRANCH;
                    } else {
                        local_7 = false;
                    }
                    bool _e376 = local_7;
                    if (_e376) {
                        Pack _e378 = grad_sum.inner[0];
                        metal::float4 _e379 = grad_0_;
                        grad_sum.inner[0] = _e378 + _e379;
                        Pack _e382 = grad_y_sum.inner[0];
                        metal::float4 _e383 = grad_0_;
                        grad_y_sum.inner[0] = _e382 + (_e383 * y_0_);
                    }
                    metal::float4 _e386 = grad_0_;
                    Pack _e389 = affine_2.inner[0].weight;
                    Pack _e390 = apply_weight(_e386, _e389);
                    At _e391 = at_of(_e67, _e10);
                    Affine _e393 = affine_2.inner[0];
                    float _e395 = lost.x;
                    Pack _e398 = slope(y_0_);
                    float _e400 = lost.y;
                    finish(_e391, _e393, _e88, y_0_, ((_e390 - metal::float4(_e395)) - (_e398 * _e400)) * _e235, output, _buffer_sizes);
                }
                if (_e13) {
                    if (SUMS) {
                        local_8 = SUMS_BRANCH;
                    } else {
                        local_8 = false;
                    }
                    bool _e409 = local_8;
                    if (_e409) {
                        Pack _e411 = grad_sum.inner[1];
                        metal::float4 _e412 = grad_1_;
                        grad_sum.inner[1] = _e411 + _e412;
                        Pack _e415 = grad_y_sum.inner[1];
                        metal::float4 _e416 = grad_1_;
                        grad_y_sum.inner[1] = _e415 + (_e416 * y_1_);
                    }
                    metal::float4 _e419 = grad_1_;
                    Pack _e422 = affine_2.inner[1].weight;
                    Pack _e423 = apply_weight(_e419, _e422);
                    At _e424 = at_of(_e67, _e15);
                    Affine _e426 = affine_2.inner[1];
                    float _e428 = lost.x;
                    Pack _e431 = slope(y_1_);
                    float _e433 = lost.y;
                    finish(_e424, _e426, _e100, y_1_, ((_e423 - metal::float4(_e428)) - (_e431 * _e433)) * _e235, output, _buffer_sizes);
                }
                if (team_5.lane == 0u) {
                    uint _e442 = params.first;
                    float _e444 = mean_1;
                    save(_e442 + row_3, _e444, correction, _e235);
                }
            }
        }
    }
    if (SUMS) {
        uint _e454 = params.teams;
        local_9 = team_5.index < _e454;
    } else {
        local_9 = false;
    }
    bool _e457 = local_9;
    if (_e457) {
        bool _e459 = in_row(0u, team_5, params);
        if (_e459) {
            uint _e462 = params.first_partial;
            uint _e466 = params.elements;
            uint to = _e462 + (team_5.index * _e466);
            At _e470 = column_of(0u, team_5, params);
            Pack _e472 = grad_sum.inner[0];
            Pack _e474 = grad_y_sum.inner[0];
            put_partial_sums(to, _e470, _e472, _e474);
        }
        bool _e476 = in_row(1u, team_5, params);
        if (_e476) {
            uint _e479 = params.first_partial;
            uint _e483 = params.elements;
            uint to_1 = _e479 + (team_5.index * _e483);
            At _e487 = column_of(1u, team_5, params);
            Pack _e489 = grad_sum.inner[1];
            Pack _e491 = grad_y_sum.inner[1];
            put_partial_sums(to_1, _e487, _e489, _e491);
            return;
        } else {
            return;
        }
    } else {
        return;
    }
}

float power_1(
    float mean_2,
    float variance
) {
    return variance;
}

Pack measured(
    Pack x_3
) {
    return x_3;
}

Pack activation_slope(
    Pack u_3
) {
    return metal::float4(1.0);
}

bool has_element(
    At column_9,
    uint i_12
) {
    return true;
}

void add_partial_sums(
    uint first_2,
    At column_10,
    Pack g_1,
    Pack gy_1,
    bool fresh
) {
    return;
}

struct main_Input {
};
[[max_total_threads_per_threadgroup(64)]] kernel void main_(
  metal::uint3 workgroup_id [[threadgroup_position_in_grid]]
, metal::uint3 num_workgroups [[threadgroups_per_grid]]
, uint local_index [[thread_index_in_threadgroup]]
, device type_4 const& input [[user(fake0)]]
, device type_4 const& weight_1 [[user(fake0)]]
, device type_4 const& bias_1 [[user(fake0)]]
, device type_4& output [[user(fake0)]]
, threadgroup type_7& leaves
, threadgroup type_8& branches
, constant Params& params [[user(fake0)]]
, constant _mslBufferSizes& _buffer_sizes [[user(fake0)]]
) {
    if (local_index == 0u) {
        leaves = {};
        branches = {};
    }
    metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
    uint workgroup = (workgroup_id.y * num_workgroups.x) + workgroup_id.x;
    run(Team {workgroup, local_index, WORKGROUP_SIZE}, input, weight_1, bias_1, output, leaves, branches, params, _buffer_sizes);
    return;
}
