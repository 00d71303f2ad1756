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
typedef bool Inside;
struct Team {
    uint index;
    uint lane;
    uint lanes;
};
struct type_6 {
    metal::float2 inner[64];
};
struct type_7 {
    metal::float2 inner[4];
};
struct Params {
    uint rows;
    uint skip;
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
struct Affine {
    Pack weight;
    Pack bias;
};
struct type_8 {
    Affine inner[2];
};
struct type_9 {
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
    uint pack,
    uint row,
    bool middle
) {
    return pack;
}

uint first_of(
    uint row_1,
    uint stride
) {
    return row_1 * stride;
}

At at_of(
    uint first,
    At column_2
) {
    return first + column_2;
}

Inside inside_of(
    At column_3,
    bool counts
) {
    return counts;
}

float first_inside(
    Pack v_5,
    At column_4
) {
    float _e2 = pack_first(v_5);
    return _e2;
}

bool has_element(
    At column_5,
    uint i_5
) {
    return true;
}

uint element_of(
    At column_6,
    uint i_6
) {
    return (column_6 * PACK) + i_6;
}

float elements_of(
    uint packs,
    uint row_2
) {
    return static_cast<float>(packs * PACK);
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
    uint row_3,
    bool middle_1
) {
    uint _e7 = pack_of(k_1, lane_1, lanes_1);
    At _e9 = column_at(is_there ? _e7 : 0u, row_3, middle_1);
    return _e9;
}

metal::float2 team_sum2_(
    metal::float2 v_6,
    Team team,
    threadgroup type_6& leaves,
    threadgroup type_7& branches
) {
    metal::float2 sum = {};
    uint i_7 = 1u;
    metal::float2 total = {};
    uint i_8 = 1u;
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
                uint _e27 = i_7;
                i_7 = _e27 + 1u;
            }
            loop_init = false;
            uint _e15 = i_7;
            if (_e15 < FAN_IN) {
            } else {
                break;
            }
            {
                metal::float2 _e18 = sum;
                uint _e21 = i_7;
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
            uint _e48 = i_8;
            i_8 = _e48 + 1u;
        }
        loop_init_1 = false;
        uint _e40 = i_8;
        if (_e40 < 4u) {
        } else {
            break;
        }
        {
            metal::float2 _e42 = total;
            uint _e44 = i_8;
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
    threadgroup type_6& leaves,
    threadgroup type_7& branches
) {
    metal::float2 _e4 = team_sum2_(metal::float2(v_7, 0.0), team_1, leaves, branches);
    return _e4.x;
}

metal::float4 team_sum4_(
    metal::float4 v_8,
    Team team_2,
    threadgroup type_6& leaves,
    threadgroup type_7& branches
) {
    metal::float2 _e3 = team_sum2_(v_8.xy, team_2, leaves, branches);
    metal::float2 _e5 = team_sum2_(v_8.zw, team_2, leaves, branches);
    return metal::float4(_e3, _e5);
}

uint packs_of(
    uint turn,
    constant Params& params
) {
    uint _e3 = params.packs;
    return _e3;
}

bool in_row(
    uint k_2,
    Team team_3,
    uint turn_1,
    constant Params& params
) {
    bool local = {};
    if (!((k_2 < FULL))) {
        uint _e10 = pack_of(k_2, team_3.lane, team_3.lanes);
        uint _e11 = packs_of(turn_1, params);
        local = _e10 < _e11;
    } else {
        local = true;
    }
    bool _e14 = local;
    return _e14;
}

At column_of(
    uint k_3,
    Team team_4,
    uint turn_2,
    constant Params& params
) {
    bool local_1 = {};
    bool _e5 = in_row(k_3, team_4, turn_2, params);
    if (0u < k_3) {
        local_1 = k_3 < FULL;
    } else {
        local_1 = false;
    }
    bool _e13 = local_1;
    At _e14 = column_of_lane(k_3, team_4.lane, team_4.lanes, _e5, turn_2, _e13);
    return _e14;
}

Pack weight_at(
    ParamAt i_9,
    device type_4 const& weight_1,
    constant Params& params,
    constant _mslBufferSizes& _buffer_sizes
) {
    metal::float4 _e1 = load_weight(i_9, weight_1, _buffer_sizes);
    float _e4 = params.weight_offset;
    return _e1 + metal::float4(_e4);
}

Pack bias_at(
    ParamAt i_10,
    device type_4 const& bias_1,
    constant _mslBufferSizes& _buffer_sizes
) {
    metal::float4 _e1 = load_bias(i_10, bias_1, _buffer_sizes);
    return _e1;
}

Affine affine_at(
    ParamAt i_11,
    device type_4 const& weight_1,
    device type_4 const& bias_1,
    constant Params& params,
    constant _mslBufferSizes& _buffer_sizes
) {
    Pack _e1 = weight_at(i_11, weight_1, params, _buffer_sizes);
    Pack _e2 = bias_at(i_11, bias_1, _buffer_sizes);
    return Affine {_e1, _e2};
}

uint row_of(
    uint index,
    uint turn_3,
    constant Params& params
) {
    uint _e4 = params.skip;
    return _e4 + index;
}

uint row_there(
    uint row_4,
    uint turn_4,
    constant Params& params
) {
    uint _e4 = params.rows;
    return metal::min(row_4, _e4 - 1u);
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
    uint row_5,
    At column_7,
    constant Params& params
) {
    uint _e4 = params.param_rows;
    uint _e8 = params.param_quotient;
    uint _e12 = params.param_rows;
    uint _e16 = params.param_remainder;
    uint first_3 = (naga_div(row_5, _e4) * _e8) + (naga_mod(row_5, _e12) * _e16);
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
    uint i_12,
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

void run_turn(
    Team team_5,
    uint turn_5,
    device type_4 const& input,
    device type_4 const& weight_1,
    device type_4 const& bias_1,
    device type_4& output,
    threadgroup type_6& leaves,
    threadgroup type_7& branches,
    constant Params& params,
    constant _mslBufferSizes& _buffer_sizes
) {
    type_8 affine_2 = {};
    type_9 grad_sum = {};
    type_9 grad_y_sum = {};
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
    metal::float2 lost = {};
    bool local_5 = {};
    uint _e4 = params.elements;
    float len = static_cast<float>(_e4);
    float share = 1.0 / len;
    bool _e9 = in_row(0u, team_5, turn_5, params);
    At _e11 = column_of(0u, team_5, turn_5, params);
    Inside _e12 = inside_of(_e11, _e9);
    bool _e14 = in_row(1u, team_5, turn_5, params);
    At _e16 = column_of(1u, team_5, turn_5, params);
    Inside _e17 = inside_of(_e16, _e14);
    if (SHARED) {
        At _e24 = column_of(0u, team_5, turn_5, params);
        ParamAt _e25 = param_column(_e24);
        Affine _e26 = affine_at(_e25, weight_1, bias_1, params, _buffer_sizes);
        affine_2.inner[0] = _e26;
        At _e29 = column_of(1u, team_5, turn_5, params);
        ParamAt _e30 = param_column(_e29);
        Affine _e31 = affine_at(_e30, weight_1, bias_1, params, _buffer_sizes);
        affine_2.inner[1] = _e31;
    }
    uint2 loop_bound_2 = uint2(4294967295u);
    bool loop_init_2 = true;
    while(true) {
        if (metal::all(loop_bound_2 == uint2(0u))) { break; }
        loop_bound_2 -= uint2(loop_bound_2.y == 0u, 1u);
        if (!loop_init_2) {
            uint _e414 = round;
            round = _e414 + 1u;
        }
        loop_init_2 = false;
        uint _e34 = round;
        uint _e37 = params.rounds;
        if (_e34 < _e37) {
        } else {
            break;
        }
        {
            uint _e39 = round;
            uint _e42 = params.teams;
            uint _e46 = row_of((_e39 * _e42) + team_5.index, turn_5, params);
            uint _e50 = params.teams;
            if (team_5.index < _e50) {
                uint _e56 = params.rows;
                local_2 = _e46 < _e56;
            } else {
                local_2 = false;
            }
            bool has_row = local_2;
            uint _e60 = row_there(_e46, turn_5, params);
            uint _e63 = params.stride;
            uint _e64 = first_of(_e60, _e63);
            uint _e67 = params.input_stride;
            uint _e68 = first_of(_e60, _e67);
            shift = 0.0;
            if (true) {
                At _e74 = column_at(0u, turn_5, false);
                At _e75 = at_of(_e68, _e74);
                At _e76 = at_of(_e64, _e74);
                Pack _e77 = load_x(_e75, _e76, input, _buffer_sizes);
                float _e78 = first_inside(_e77, _e74);
                shift = _e78;
            }
            At _e79 = at_of(_e68, _e11);
            At _e80 = at_of(_e64, _e11);
            Pack _e81 = load_x(_e79, _e80, input, _buffer_sizes);
            grad_0_ = metal::float4(0.0);
            if (EARLY) {
                Affine _e89 = affine_2.inner[0];
                At _e90 = at_of(_e64, _e11);
                Pack _e91 = row_gradient(_e81, _e89, _e90);
                grad_0_ = _e12 ? _e91 : metal::float4(0.0);
            }
            At _e93 = at_of(_e68, _e16);
            At _e94 = at_of(_e64, _e16);
            Pack _e95 = load_x(_e93, _e94, input, _buffer_sizes);
            grad_1_ = metal::float4(0.0);
            if (EARLY) {
                Affine _e103 = affine_2.inner[1];
                At _e104 = at_of(_e64, _e16);
                Pack _e105 = row_gradient(_e95, _e103, _e104);
                grad_1_ = _e17 ? _e105 : metal::float4(0.0);
            }
            shares = metal::float4(0.0);
            metal::float4 _e110 = shares;
            float _e113 = shift;
            shares = _e110 + (_e12 ? ((_e81 - metal::float4(_e113)) * share) : metal::float4(0.0));
            metal::float4 _e119 = shares;
            float _e122 = shift;
            shares = _e119 + (_e17 ? ((_e95 - metal::float4(_e122)) * share) : metal::float4(0.0));
            mean_1 = 0.0;
            if (CENTERED) {
                float _e131 = shift;
                metal::float4 _e132 = shares;
                float _e133 = pack_sum(_e132);
                float _e134 = team_sum(_e133, team_5, leaves, branches);
                float _e136 = first_inside(_e81, _e11);
                float _e137 = rounded(_e131 + _e134, _e136, params);
                mean_1 = _e137;
            }
            d_sum = metal::float4(0.0);
            measure_sum = metal::float4(0.0);
            g_sum = metal::float4(0.0);
            gd_sum = metal::float4(0.0);
            float _e152 = mean_1;
            Pack d_0_ = _e12 ? (_e81 - metal::float4(_e152)) : metal::float4(0.0);
            metal::float4 _e156 = d_sum;
            d_sum = _e156 + d_0_;
            metal::float4 _e158 = measure_sum;
            Pack _e159 = measure(d_0_);
            measure_sum = _e158 + _e159;
            if (EARLY) {
                if (false) {
                    uint _e166 = params.first;
                    ParamAt _e168 = param_index(_e166 + _e60, _e11, params);
                    Affine _e169 = affine_at(_e168, weight_1, bias_1, params, _buffer_sizes);
                    affine_2.inner[0] = _e169;
                }
                metal::float4 _e170 = grad_0_;
                Pack _e173 = affine_2.inner[0].weight;
                Pack _e174 = apply_weight(_e170, _e173);
                metal::float4 _e175 = g_sum;
                g_sum = _e175 + _e174;
                metal::float4 _e177 = gd_sum;
                gd_sum = _e177 + (_e174 * d_0_);
            }
            float _e182 = mean_1;
            Pack d_1_ = _e17 ? (_e95 - metal::float4(_e182)) : metal::float4(0.0);
            metal::float4 _e186 = d_sum;
            d_sum = _e186 + d_1_;
            metal::float4 _e188 = measure_sum;
            Pack _e189 = measure(d_1_);
            measure_sum = _e188 + _e189;
            if (EARLY) {
                if (false) {
                    uint _e196 = params.first;
                    ParamAt _e198 = param_index(_e196 + _e60, _e16, params);
                    Affine _e199 = affine_at(_e198, weight_1, bias_1, params, _buffer_sizes);
                    affine_2.inner[1] = _e199;
                }
                metal::float4 _e200 = grad_1_;
                Pack _e203 = affine_2.inner[1].weight;
                Pack _e204 = apply_weight(_e200, _e203);
                metal::float4 _e205 = g_sum;
                g_sum = _e205 + _e204;
                metal::float4 _e207 = gd_sum;
                gd_sum = _e207 + (_e204 * d_1_);
            }
            metal::float4 _e210 = d_sum;
            float _e211 = pack_sum(_e210);
            metal::float4 _e212 = measure_sum;
            float _e213 = pack_sum(_e212);
            metal::float4 _e214 = g_sum;
            float _e215 = pack_sum(_e214);
            metal::float4 _e216 = gd_sum;
            float _e217 = pack_sum(_e216);
            sums = metal::float4(_e211, _e213, _e215, _e217);
            if (EARLY) {
                metal::float4 _e221 = sums;
                metal::float4 _e222 = team_sum4_(_e221, team_5, leaves, branches);
                sums = _e222;
            } else {
                metal::float4 _e223 = sums;
                metal::float2 _e225 = team_sum2_(_e223.xy, team_5, leaves, branches);
                sums = metal::float4(_e225, 0.0, 0.0);
            }
            metal::float4 _e229 = sums;
            metal::float2 moments = _e229.xy / metal::float2(len);
            float correction = CENTERED ? moments.x : 0.0;
            float _e240 = rstd_of(moments.y - (correction * correction), len, params);
            Pack y_0_ = (d_0_ - metal::float4(correction)) * _e240;
            if (false) {
                local_3 = true;
            } else {
                local_3 = false;
            }
            bool _e249 = local_3;
            if (_e249) {
                uint _e253 = params.first;
                ParamAt _e255 = param_index(_e253 + _e60, _e11, params);
                Affine _e256 = affine_at(_e255, weight_1, bias_1, params, _buffer_sizes);
                affine_2.inner[0] = _e256;
            }
            if (BACKWARD_NEEDS_Y) {
                Affine _e261 = affine_2.inner[0];
                At _e262 = at_of(_e64, _e11);
                Pack _e263 = row_gradient(y_0_, _e261, _e262);
                grad_0_ = _e12 ? _e263 : metal::float4(0.0);
                metal::float4 _e265 = grad_0_;
                Pack _e268 = affine_2.inner[0].weight;
                Pack _e269 = apply_weight(_e265, _e268);
                metal::float4 _e270 = g_sum;
                g_sum = _e270 + _e269;
                metal::float4 _e272 = gd_sum;
                gd_sum = _e272 + (_e269 * d_0_);
            }
            if (SUMS) {
                Pack _e277 = grad_sum.inner[0];
                metal::float4 _e280 = grad_0_;
                grad_sum.inner[0] = _e277 + (has_row ? _e280 : metal::float4(0.0));
                Pack _e284 = grad_y_sum.inner[0];
                metal::float4 _e287 = grad_0_;
                grad_y_sum.inner[0] = _e284 + (has_row ? (_e287 * y_0_) : metal::float4(0.0));
            }
            Pack y_1_ = (d_1_ - metal::float4(correction)) * _e240;
            if (false) {
                local_4 = true;
            } else {
                local_4 = false;
            }
            bool _e299 = local_4;
            if (_e299) {
                uint _e303 = params.first;
                ParamAt _e305 = param_index(_e303 + _e60, _e16, params);
                Affine _e306 = affine_at(_e305, weight_1, bias_1, params, _buffer_sizes);
                affine_2.inner[1] = _e306;
            }
            if (BACKWARD_NEEDS_Y) {
                Affine _e311 = affine_2.inner[1];
                At _e312 = at_of(_e64, _e16);
                Pack _e313 = row_gradient(y_1_, _e311, _e312);
                grad_1_ = _e17 ? _e313 : metal::float4(0.0);
                metal::float4 _e315 = grad_1_;
                Pack _e318 = affine_2.inner[1].weight;
                Pack _e319 = apply_weight(_e315, _e318);
                metal::float4 _e320 = g_sum;
                g_sum = _e320 + _e319;
                metal::float4 _e322 = gd_sum;
                gd_sum = _e322 + (_e319 * d_1_);
            }
            if (SUMS) {
                Pack _e327 = grad_sum.inner[1];
                metal::float4 _e330 = grad_1_;
                grad_sum.inner[1] = _e327 + (has_row ? _e330 : metal::float4(0.0));
                Pack _e334 = grad_y_sum.inner[1];
                metal::float4 _e337 = grad_1_;
                grad_y_sum.inner[1] = _e334 + (has_row ? (_e337 * y_1_) : metal::float4(0.0));
            }
            lost = metal::float2 {};
            if (BACKWARD) {
                if (BACKWARD_NEEDS_Y) {
                    metal::float4 _e345 = sums;
                    metal::float4 _e347 = g_sum;
                    float _e348 = pack_sum(_e347);
                    metal::float4 _e349 = gd_sum;
                    float _e350 = pack_sum(_e349);
                    metal::float2 _e352 = team_sum2_(metal::float2(_e348, _e350), team_5, leaves, branches);
                    sums = metal::float4(_e345.xy, _e352);
                }
                float _e355 = sums.w;
                float _e357 = sums.z;
                float gy_sum = (_e355 - (correction * _e357)) * _e240;
                float _e362 = sums.z;
                float _e367 = pull(len, _e240);
                lost = metal::float2(CENTERED ? (_e362 / len) : 0.0, gy_sum * _e367);
            }
            if (has_row) {
                if (_e9) {
                    metal::float4 _e370 = grad_0_;
                    Pack _e373 = affine_2.inner[0].weight;
                    Pack _e374 = apply_weight(_e370, _e373);
                    At _e375 = at_of(_e64, _e11);
                    Affine _e377 = affine_2.inner[0];
                    float _e379 = lost.x;
                    Pack _e382 = slope(y_0_);
                    float _e384 = lost.y;
                    finish(_e375, _e377, _e81, y_0_, ((_e374 - metal::float4(_e379)) - (_e382 * _e384)) * _e240, output, _buffer_sizes);
                }
                if (_e14) {
                    metal::float4 _e388 = grad_1_;
                    Pack _e391 = affine_2.inner[1].weight;
                    Pack _e392 = apply_weight(_e388, _e391);
                    At _e393 = at_of(_e64, _e16);
                    Affine _e395 = affine_2.inner[1];
                    float _e397 = lost.x;
                    Pack _e400 = slope(y_1_);
                    float _e402 = lost.y;
                    finish(_e393, _e395, _e95, y_1_, ((_e392 - metal::float4(_e397)) - (_e400 * _e402)) * _e240, output, _buffer_sizes);
                }
                if (team_5.lane == 0u) {
                    uint _e411 = params.first;
                    float _e413 = mean_1;
                    save(_e411 + _e60, _e413, correction, _e240);
                }
            }
        }
    }
    if (SUMS) {
        uint _e423 = params.teams;
        local_5 = team_5.index < _e423;
    } else {
        local_5 = false;
    }
    bool _e426 = local_5;
    if (_e426) {
        bool _e428 = in_row(0u, team_5, turn_5, params);
        if (_e428) {
            uint _e431 = params.first_partial;
            uint _e434 = params.teams;
            uint _e440 = params.elements;
            uint to = _e431 + (((turn_5 * _e434) + team_5.index) * _e440);
            At _e444 = column_of(0u, team_5, turn_5, params);
            Pack _e446 = grad_sum.inner[0];
            Pack _e448 = grad_y_sum.inner[0];
            put_partial_sums(to, _e444, _e446, _e448);
        }
        bool _e450 = in_row(1u, team_5, turn_5, params);
        if (_e450) {
            uint _e453 = params.first_partial;
            uint _e456 = params.teams;
            uint _e462 = params.elements;
            uint to_1 = _e453 + (((turn_5 * _e456) + team_5.index) * _e462);
            At _e466 = column_of(1u, team_5, turn_5, params);
            Pack _e468 = grad_sum.inner[1];
            Pack _e470 = grad_y_sum.inner[1];
            put_partial_sums(to_1, _e466, _e468, _e470);
            return;
        } else {
            return;
        }
    } else {
        return;
    }
}

void run(
    Team team_6,
    device type_4 const& input,
    device type_4 const& weight_1,
    device type_4 const& bias_1,
    device type_4& output,
    threadgroup type_6& leaves,
    threadgroup type_7& branches,
    constant Params& params,
    constant _mslBufferSizes& _buffer_sizes
) {
    run_turn(team_6, 0u, input, weight_1, bias_1, output, leaves, branches, params, _buffer_sizes);
    return;
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

void add_partial_sums(
    uint first_2,
    At column_9,
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
, threadgroup type_6& leaves
, threadgroup type_7& branches
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
