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
    uint packs,
    uint row_2
) {
    return static_cast<float>(packs * PACK);
}

Inside inside_of(
    At column_5,
    bool counts
) {
    return counts;
}

Pack counted(
    Pack v_6,
    Inside inside
) {
    return inside ? v_6 : metal::float4(0.0);
}

bool has_element(
    At column_6,
    uint i_6
) {
    return true;
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
    metal::float2 v_7,
    Team team,
    threadgroup type_6& leaves,
    threadgroup type_7& branches
) {
    metal::float2 sum = {};
    uint i_7 = 1u;
    metal::float2 total = {};
    uint i_8 = 1u;
    leaves.inner[team.lane] = v_7;
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
    float v_8,
    Team team_1,
    threadgroup type_6& leaves,
    threadgroup type_7& branches
) {
    metal::float2 _e4 = team_sum2_(metal::float2(v_8, 0.0), team_1, leaves, branches);
    return _e4.x;
}

metal::float4 team_sum4_(
    metal::float4 v_9,
    Team team_2,
    threadgroup type_6& leaves,
    threadgroup type_7& branches
) {
    metal::float2 _e3 = team_sum2_(v_9.xy, team_2, leaves, branches);
    metal::float2 _e5 = team_sum2_(v_9.zw, team_2, leaves, branches);
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
    bool local_5 = {};
    bool local_6 = {};
    metal::float2 lost = {};
    bool local_7 = {};
    bool local_8 = {};
    bool local_9 = {};
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
            uint _e438 = round;
            round = _e438 + 1u;
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
                Affine _e87 = affine_2.inner[0];
                At _e88 = at_of(_e64, _e11);
                Pack _e89 = row_gradient(_e81, _e87, _e88);
                Pack _e90 = counted(_e89, _e12);
                grad_0_ = _e90;
            }
            At _e91 = at_of(_e68, _e16);
            At _e92 = at_of(_e64, _e16);
            Pack _e93 = load_x(_e91, _e92, input, _buffer_sizes);
            grad_1_ = metal::float4(0.0);
            if (EARLY) {
                Affine _e99 = affine_2.inner[1];
                At _e100 = at_of(_e64, _e16);
                Pack _e101 = row_gradient(_e93, _e99, _e100);
                Pack _e102 = counted(_e101, _e17);
                grad_1_ = _e102;
            }
            shares = metal::float4(0.0);
            metal::float4 _e106 = shares;
            float _e107 = shift;
            Pack _e111 = counted((_e81 - metal::float4(_e107)) * share, _e12);
            shares = _e106 + _e111;
            metal::float4 _e113 = shares;
            float _e114 = shift;
            Pack _e118 = counted((_e93 - metal::float4(_e114)) * share, _e17);
            shares = _e113 + _e118;
            mean_1 = 0.0;
            if (CENTERED) {
                float _e123 = shift;
                metal::float4 _e124 = shares;
                float _e125 = pack_sum(_e124);
                float _e126 = team_sum(_e125, team_5, leaves, branches);
                float _e128 = first_inside(_e81, _e11);
                float _e129 = rounded(_e123 + _e126, _e128, params);
                mean_1 = _e129;
            }
            d_sum = metal::float4(0.0);
            measure_sum = metal::float4(0.0);
            g_sum = metal::float4(0.0);
            gd_sum = metal::float4(0.0);
            float _e142 = mean_1;
            Pack _e145 = counted(_e81 - metal::float4(_e142), _e12);
            metal::float4 _e146 = d_sum;
            d_sum = _e146 + _e145;
            metal::float4 _e148 = measure_sum;
            Pack _e149 = measure(_e145);
            measure_sum = _e148 + _e149;
            if (EARLY) {
                if (false) {
                    uint _e156 = params.first;
                    ParamAt _e158 = param_index(_e156 + _e60, _e11, params);
                    Affine _e159 = affine_at(_e158, weight_1, bias_1, params, _buffer_sizes);
                    affine_2.inner[0] = _e159;
                }
                metal::float4 _e160 = grad_0_;
                Pack _e163 = affine_2.inner[0].weight;
                Pack _e164 = apply_weight(_e160, _e163);
                metal::float4 _e165 = g_sum;
                g_sum = _e165 + _e164;
                metal::float4 _e167 = gd_sum;
                gd_sum = _e167 + (_e164 * _e145);
            }
            float _e170 = mean_1;
            Pack _e173 = counted(_e93 - metal::float4(_e170), _e17);
            metal::float4 _e174 = d_sum;
            d_sum = _e174 + _e173;
            metal::float4 _e176 = measure_sum;
            Pack _e177 = measure(_e173);
            measure_sum = _e176 + _e177;
            if (EARLY) {
                if (false) {
                    uint _e184 = params.first;
                    ParamAt _e186 = param_index(_e184 + _e60, _e16, params);
                    Affine _e187 = affine_at(_e186, weight_1, bias_1, params, _buffer_sizes);
                    affine_2.inner[1] = _e187;
                }
                metal::float4 _e188 = grad_1_;
                Pack _e191 = affine_2.inner[1].weight;
                Pack _e192 = apply_weight(_e188, _e191);
                metal::float4 _e193 = g_sum;
                g_sum = _e193 + _e192;
                metal::float4 _e195 = gd_sum;
                gd_sum = _e195 + (_e192 * _e173);
            }
            metal::float4 _e198 = d_sum;
            float _e199 = pack_sum(_e198);
            metal::float4 _e200 = measure_sum;
            float _e201 = pack_sum(_e200);
            metal::float4 _e202 = g_sum;
            float _e203 = pack_sum(_e202);
            metal::float4 _e204 = gd_sum;
            float _e205 = pack_sum(_e204);
            sums = metal::float4(_e199, _e201, _e203, _e205);
            if (EARLY) {
                metal::float4 _e209 = sums;
                metal::float4 _e210 = team_sum4_(_e209, team_5, leaves, branches);
                sums = _e210;
            } else {
                metal::float4 _e211 = sums;
                metal::float2 _e213 = team_sum2_(_e211.xy, team_5, leaves, branches);
                sums = metal::float4(_e213, 0.0, 0.0);
            }
            metal::float4 _e217 = sums;
            metal::float2 moments = _e217.xy / metal::float2(len);
            float correction = CENTERED ? moments.x : 0.0;
            float _e228 = rstd_of(moments.y - (correction * correction), len, params);
            Pack y_0_ = (_e145 - metal::float4(correction)) * _e228;
            if (false) {
                local_3 = true;
            } else {
                local_3 = false;
            }
            bool _e237 = local_3;
            if (_e237) {
                uint _e241 = params.first;
                ParamAt _e243 = param_index(_e241 + _e60, _e11, params);
                Affine _e244 = affine_at(_e243, weight_1, bias_1, params, _buffer_sizes);
                affine_2.inner[0] = _e244;
            }
            if (BACKWARD_NEEDS_Y) {
                Affine _e247 = affine_2.inner[0];
                At _e248 = at_of(_e64, _e11);
                Pack _e249 = row_gradient(y_0_, _e247, _e248);
                Pack _e250 = counted(_e249, _e12);
                grad_0_ = _e250;
                metal::float4 _e251 = grad_0_;
                Pack _e254 = affine_2.inner[0].weight;
                Pack _e255 = apply_weight(_e251, _e254);
                metal::float4 _e256 = g_sum;
                g_sum = _e256 + _e255;
                metal::float4 _e258 = gd_sum;
                gd_sum = _e258 + (_e255 * _e145);
            }
            if (SUMS) {
                local_4 = false;
            } else {
                local_4 = false;
            }
            bool _e266 = local_4;
            if (_e266) {
                Pack _e268 = grad_sum.inner[0];
                metal::float4 _e271 = grad_0_;
                grad_sum.inner[0] = _e268 + (has_row ? _e271 : metal::float4(0.0));
                Pack _e275 = grad_y_sum.inner[0];
                metal::float4 _e278 = grad_0_;
                grad_y_sum.inner[0] = _e275 + (has_row ? (_e278 * y_0_) : metal::float4(0.0));
            }
            Pack y_1_ = (_e173 - metal::float4(correction)) * _e228;
            if (false) {
                local_5 = true;
            } else {
                local_5 = false;
            }
            bool _e290 = local_5;
            if (_e290) {
                uint _e294 = params.first;
                ParamAt _e296 = param_index(_e294 + _e60, _e16, params);
                Affine _e297 = affine_at(_e296, weight_1, bias_1, params, _buffer_sizes);
                affine_2.inner[1] = _e297;
            }
            if (BACKWARD_NEEDS_Y) {
                Affine _e300 = affine_2.inner[1];
                At _e301 = at_of(_e64, _e16);
                Pack _e302 = row_gradient(y_1_, _e300, _e301);
                Pack _e303 = counted(_e302, _e17);
                grad_1_ = _e303;
                metal::float4 _e304 = grad_1_;
                Pack _e307 = affine_2.inner[1].weight;
                Pack _e308 = apply_weight(_e304, _e307);
                metal::float4 _e309 = g_sum;
                g_sum = _e309 + _e308;
                metal::float4 _e311 = gd_sum;
                gd_sum = _e311 + (_e308 * _e173);
            }
            if (SUMS) {
                local_6 = false;
            } else {
                local_6 = false;
            }
            bool _e319 = local_6;
            if (_e319) {
                Pack _e321 = grad_sum.inner[1];
                metal::float4 _e324 = grad_1_;
                grad_sum.inner[1] = _e321 + (has_row ? _e324 : metal::float4(0.0));
                Pack _e328 = grad_y_sum.inner[1];
                metal::float4 _e331 = grad_1_;
                grad_y_sum.inner[1] = _e328 + (has_row ? (_e331 * y_1_) : metal::float4(0.0));
            }
            lost = metal::float2 {};
            if (BACKWARD) {
                if (BACKWARD_NEEDS_Y) {
                    metal::float4 _e339 = sums;
                    metal::float4 _e341 = g_sum;
                    float _e342 = pack_sum(_e341);
                    metal::float4 _e343 = gd_sum;
                    float _e344 = pack_sum(_e343);
                    metal::float2 _e346 = team_sum2_(metal::float2(_e342, _e344), team_5, leaves, branches);
                    sums = metal::float4(_e339.xy, _e346);
                }
                float _e349 = sums.w;
                float _e351 = sums.z;
                float gy_sum = (_e349 - (correction * _e351)) * _e228;
                float _e356 = sums.z;
                float _e361 = pull(len, _e228);
                lost = metal::float2(CENTERED ? (_e356 / len) : 0.0, gy_sum * _e361);
            }
            if (has_row) {
                if (_e9) {
                    if (SUMS) {
                        local_7 = SUMS_BRANCH;
                    } else {
                        local_7 = false;
                    }
                    bool _e369 = local_7;
                    if (_e369) {
                        Pack _e371 = grad_sum.inner[0];
                        metal::float4 _e372 = grad_0_;
                        grad_sum.inner[0] = _e371 + _e372;
                        Pack _e375 = grad_y_sum.inner[0];
                        metal::float4 _e376 = grad_0_;
                        grad_y_sum.inner[0] = _e375 + (_e376 * y_0_);
                    }
                    metal::float4 _e379 = grad_0_;
                    Pack _e382 = affine_2.inner[0].weight;
                    Pack _e383 = apply_weight(_e379, _e382);
                    At _e384 = at_of(_e64, _e11);
                    Affine _e386 = affine_2.inner[0];
                    float _e388 = lost.x;
                    Pack _e391 = slope(y_0_);
                    float _e393 = lost.y;
                    finish(_e384, _e386, _e81, y_0_, ((_e383 - metal::float4(_e388)) - (_e391 * _e393)) * _e228, output, _buffer_sizes);
                }
                if (_e14) {
                    if (SUMS) {
                        local_8 = SUMS_BRANCH;
                    } else {
                        local_8 = false;
                    }
                    bool _e402 = local_8;
                    if (_e402) {
                        Pack _e404 = grad_sum.inner[1];
                        metal::float4 _e405 = grad_1_;
                        grad_sum.inner[1] = _e404 + _e405;
                        Pack _e408 = grad_y_sum.inner[1];
                        metal::float4 _e409 = grad_1_;
                        grad_y_sum.inner[1] = _e408 + (_e409 * y_1_);
                    }
                    metal::float4 _e412 = grad_1_;
                    Pack _e415 = affine_2.inner[1].weight;
                    Pack _e416 = apply_weight(_e412, _e415);
                    At _e417 = at_of(_e64, _e16);
                    Affine _e419 = affine_2.inner[1];
                    float _e421 = lost.x;
                    Pack _e424 = slope(y_1_);
                    float _e426 = lost.y;
                    finish(_e417, _e419, _e93, y_1_, ((_e416 - metal::float4(_e421)) - (_e424 * _e426)) * _e228, output, _buffer_sizes);
                }
                if (team_5.lane == 0u) {
                    uint _e435 = params.first;
                    float _e437 = mean_1;
                    save(_e435 + _e60, _e437, correction, _e228);
                }
            }
        }
    }
    if (SUMS) {
        uint _e447 = params.teams;
        local_9 = team_5.index < _e447;
    } else {
        local_9 = false;
    }
    bool _e450 = local_9;
    if (_e450) {
        bool _e452 = in_row(0u, team_5, turn_5, params);
        if (_e452) {
            uint _e455 = params.first_partial;
            uint _e458 = params.teams;
            uint _e464 = params.elements;
            uint to = _e455 + (((turn_5 * _e458) + team_5.index) * _e464);
            At _e468 = column_of(0u, team_5, turn_5, params);
            Pack _e470 = grad_sum.inner[0];
            Pack _e472 = grad_y_sum.inner[0];
            put_partial_sums(to, _e468, _e470, _e472);
        }
        bool _e474 = in_row(1u, team_5, turn_5, params);
        if (_e474) {
            uint _e477 = params.first_partial;
            uint _e480 = params.teams;
            uint _e486 = params.elements;
            uint to_1 = _e477 + (((turn_5 * _e480) + team_5.index) * _e486);
            At _e490 = column_of(1u, team_5, turn_5, params);
            Pack _e492 = grad_sum.inner[1];
            Pack _e494 = grad_y_sum.inner[1];
            put_partial_sums(to_1, _e490, _e492, _e494);
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
