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
    metal::float2 inner[128];
};
struct type_7 {
    metal::float2 inner[8];
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
struct Affine {
    Pack weight;
    Pack bias;
};
struct type_8 {
    Affine inner[1];
};
struct type_9 {
    Pack inner[1];
};
constant uint WORKGROUP_SIZE = 128u;
constant bool SHARED = true;
constant uint FULL = 0u;
constant uint BLOCK = 1u;
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
    if (team.lane < 8u) {
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
                metal::float2 _e25 = leaves.inner[team.lane + (_e21 * 8u)];
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
        if (_e40 < 8u) {
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
    uint turn,
    constant Params& params
) {
    bool local_1 = {};
    bool _e5 = in_row(k_3, team_4, params);
    if (0u < k_3) {
        local_1 = k_3 < FULL;
    } else {
        local_1 = false;
    }
    bool _e13 = local_1;
    At _e14 = column_of_lane(k_3, team_4.lane, team_4.lanes, _e5, turn, _e13);
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
    uint turn_1
) {
    return index;
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
    uint row_4,
    At column_7,
    constant Params& params
) {
    uint _e4 = params.param_rows;
    uint _e8 = params.param_quotient;
    uint _e12 = params.param_rows;
    uint _e16 = params.param_remainder;
    uint first_3 = (naga_div(row_4, _e4) * _e8) + (naga_mod(row_4, _e12) * _e16);
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
    Pack x
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
    Pack x_1,
    Pack y_4,
    Pack grad_input,
    device type_4& output,
    constant _mslBufferSizes& _buffer_sizes
) {
    store_sum(at_5, x_1);
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
    uint turn_2,
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
    metal::float4 grad_0_ = {};
    metal::float4 shifted_sum = {};
    float mean = {};
    metal::float4 d_sum = {};
    metal::float4 measure_sum = {};
    metal::float4 g_sum = {};
    metal::float4 gd_sum = {};
    metal::float4 sums = {};
    bool local_3 = {};
    metal::float2 lost = {};
    bool local_4 = {};
    uint _e4 = params.elements;
    float len = static_cast<float>(_e4);
    bool _e7 = in_row(0u, team_5, params);
    At _e9 = column_of(0u, team_5, turn_2, params);
    Inside _e10 = inside_of(_e9, _e7);
    if (SHARED) {
        At _e17 = column_of(0u, team_5, turn_2, params);
        ParamAt _e18 = param_column(_e17);
        Affine _e19 = affine_at(_e18, weight_1, bias_1, params, _buffer_sizes);
        affine_2.inner[0] = _e19;
    }
    uint2 loop_bound_2 = uint2(4294967295u);
    bool loop_init_2 = true;
    while(true) {
        if (metal::all(loop_bound_2 == uint2(0u))) { break; }
        loop_bound_2 -= uint2(loop_bound_2.y == 0u, 1u);
        if (!loop_init_2) {
            uint _e279 = round;
            round = _e279 + 1u;
        }
        loop_init_2 = false;
        uint _e22 = round;
        uint _e25 = params.rounds;
        if (_e22 < _e25) {
        } else {
            break;
        }
        {
            uint _e27 = round;
            uint _e30 = params.teams;
            uint _e34 = row_of((_e27 * _e30) + team_5.index, turn_2);
            uint _e38 = params.teams;
            if (team_5.index < _e38) {
                uint _e44 = params.rows;
                local_2 = _e34 < _e44;
            } else {
                local_2 = false;
            }
            bool has_row = local_2;
            uint _e50 = params.rows;
            uint row_5 = metal::min(_e34, _e50 - 1u);
            uint _e56 = params.stride;
            uint _e57 = first_of(row_5, _e56);
            uint _e60 = params.input_stride;
            uint _e61 = first_of(row_5, _e60);
            At _e64 = column_at(0u, turn_2, false);
            At _e65 = at_of(_e61, _e64);
            At _e66 = at_of(_e57, _e64);
            Pack _e67 = load_x(_e65, _e66, input, _buffer_sizes);
            float _e68 = first_inside(_e67, _e64);
            At _e69 = at_of(_e61, _e9);
            At _e70 = at_of(_e57, _e9);
            Pack _e71 = load_x(_e69, _e70, input, _buffer_sizes);
            grad_0_ = metal::float4(0.0);
            if (EARLY) {
                Affine _e79 = affine_2.inner[0];
                At _e80 = at_of(_e57, _e9);
                Pack _e81 = row_gradient(_e71, _e79, _e80);
                grad_0_ = _e10 ? _e81 : metal::float4(0.0);
            }
            shifted_sum = metal::float4(0.0);
            metal::float4 _e86 = shifted_sum;
            shifted_sum = _e86 + (_e10 ? (_e71 - metal::float4(_e68)) : metal::float4(0.0));
            mean = 0.0;
            if (CENTERED) {
                metal::float4 _e96 = shifted_sum;
                float _e97 = pack_sum(_e96);
                float _e98 = team_sum(_e97, team_5, leaves, branches);
                mean = _e68 + (_e98 / len);
            }
            d_sum = metal::float4(0.0);
            measure_sum = metal::float4(0.0);
            g_sum = metal::float4(0.0);
            gd_sum = metal::float4(0.0);
            float _e115 = mean;
            Pack d_0_ = _e10 ? (_e71 - metal::float4(_e115)) : metal::float4(0.0);
            metal::float4 _e119 = d_sum;
            d_sum = _e119 + d_0_;
            metal::float4 _e121 = measure_sum;
            Pack _e122 = measure(d_0_);
            measure_sum = _e121 + _e122;
            if (EARLY) {
                if (false) {
                    uint _e129 = params.first;
                    ParamAt _e131 = param_index(_e129 + row_5, _e9, params);
                    Affine _e132 = affine_at(_e131, weight_1, bias_1, params, _buffer_sizes);
                    affine_2.inner[0] = _e132;
                }
                metal::float4 _e133 = grad_0_;
                Pack _e136 = affine_2.inner[0].weight;
                Pack _e137 = apply_weight(_e133, _e136);
                metal::float4 _e138 = g_sum;
                g_sum = _e138 + _e137;
                metal::float4 _e140 = gd_sum;
                gd_sum = _e140 + (_e137 * d_0_);
            }
            metal::float4 _e143 = d_sum;
            float _e144 = pack_sum(_e143);
            metal::float4 _e145 = measure_sum;
            float _e146 = pack_sum(_e145);
            metal::float4 _e147 = g_sum;
            float _e148 = pack_sum(_e147);
            metal::float4 _e149 = gd_sum;
            float _e150 = pack_sum(_e149);
            sums = metal::float4(_e144, _e146, _e148, _e150);
            if (EARLY) {
                metal::float4 _e154 = sums;
                metal::float4 _e155 = team_sum4_(_e154, team_5, leaves, branches);
                sums = _e155;
            } else {
                metal::float4 _e156 = sums;
                metal::float2 _e158 = team_sum2_(_e156.xy, team_5, leaves, branches);
                sums = metal::float4(_e158, 0.0, 0.0);
            }
            metal::float4 _e162 = sums;
            metal::float2 moments = _e162.xy / metal::float2(len);
            float correction = CENTERED ? moments.x : 0.0;
            float _e173 = rstd_of(moments.y - (correction * correction), len, params);
            Pack y_0_ = (d_0_ - metal::float4(correction)) * _e173;
            if (false) {
                local_3 = true;
            } else {
                local_3 = false;
            }
            bool _e182 = local_3;
            if (_e182) {
                uint _e186 = params.first;
                ParamAt _e188 = param_index(_e186 + row_5, _e9, params);
                Affine _e189 = affine_at(_e188, weight_1, bias_1, params, _buffer_sizes);
                affine_2.inner[0] = _e189;
            }
            if (BACKWARD_NEEDS_Y) {
                Affine _e194 = affine_2.inner[0];
                At _e195 = at_of(_e57, _e9);
                Pack _e196 = row_gradient(y_0_, _e194, _e195);
                grad_0_ = _e10 ? _e196 : metal::float4(0.0);
                metal::float4 _e198 = grad_0_;
                Pack _e201 = affine_2.inner[0].weight;
                Pack _e202 = apply_weight(_e198, _e201);
                metal::float4 _e203 = g_sum;
                g_sum = _e203 + _e202;
                metal::float4 _e205 = gd_sum;
                gd_sum = _e205 + (_e202 * d_0_);
            }
            if (SUMS) {
                Pack _e210 = grad_sum.inner[0];
                metal::float4 _e213 = grad_0_;
                grad_sum.inner[0] = _e210 + (has_row ? _e213 : metal::float4(0.0));
                Pack _e217 = grad_y_sum.inner[0];
                metal::float4 _e220 = grad_0_;
                grad_y_sum.inner[0] = _e217 + (has_row ? (_e220 * y_0_) : metal::float4(0.0));
            }
            lost = metal::float2 {};
            if (BACKWARD) {
                if (BACKWARD_NEEDS_Y) {
                    metal::float4 _e228 = sums;
                    metal::float4 _e230 = g_sum;
                    float _e231 = pack_sum(_e230);
                    metal::float4 _e232 = gd_sum;
                    float _e233 = pack_sum(_e232);
                    metal::float2 _e235 = team_sum2_(metal::float2(_e231, _e233), team_5, leaves, branches);
                    sums = metal::float4(_e228.xy, _e235);
                }
                float _e238 = sums.w;
                float _e240 = sums.z;
                float gy_sum = (_e238 - (correction * _e240)) * _e173;
                float _e245 = sums.z;
                float _e250 = pull(len, _e173);
                lost = metal::float2(CENTERED ? (_e245 / len) : 0.0, gy_sum * _e250);
            }
            if (has_row) {
                if (_e7) {
                    metal::float4 _e253 = grad_0_;
                    Pack _e256 = affine_2.inner[0].weight;
                    Pack _e257 = apply_weight(_e253, _e256);
                    At _e258 = at_of(_e57, _e9);
                    Affine _e260 = affine_2.inner[0];
                    float _e262 = lost.x;
                    Pack _e265 = slope(y_0_);
                    float _e267 = lost.y;
                    finish(_e258, _e260, _e71, y_0_, ((_e257 - metal::float4(_e262)) - (_e265 * _e267)) * _e173, output, _buffer_sizes);
                }
                if (team_5.lane == 0u) {
                    uint _e276 = params.first;
                    float _e278 = mean;
                    save(_e276 + row_5, _e278, correction, _e173);
                }
            }
        }
    }
    if (SUMS) {
        uint _e288 = params.teams;
        local_4 = team_5.index < _e288;
    } else {
        local_4 = false;
    }
    bool _e291 = local_4;
    if (_e291) {
        bool _e293 = in_row(0u, team_5, params);
        if (_e293) {
            uint _e296 = params.first_partial;
            uint _e299 = params.teams;
            uint _e305 = params.elements;
            uint to = _e296 + (((turn_2 * _e299) + team_5.index) * _e305);
            At _e309 = column_of(0u, team_5, turn_2, params);
            Pack _e311 = grad_sum.inner[0];
            Pack _e313 = grad_y_sum.inner[0];
            put_partial_sums(to, _e309, _e311, _e313);
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
    float mean_1,
    float variance
) {
    return variance;
}

Pack measured(
    Pack x_2
) {
    return x_2;
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
[[max_total_threads_per_threadgroup(128)]] kernel void main_(
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
