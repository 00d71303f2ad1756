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
    metal::float2 inner[256];
};
struct type_7 {
    metal::float2 inner[16];
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
constant uint WORKGROUP_SIZE = 256u;
constant bool SHARED = true;
constant uint FULL = 0u;
constant uint BLOCK = 1u;
constant uint PACK = 4u;
constant uint FAN_IN = 16u;
constant bool CENTERED = true;
constant bool SUMS = false;
constant bool BACKWARD = false;
constant bool BACKWARD_NEEDS_Y = false;

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
    if (team.lane < 16u) {
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
                metal::float2 _e25 = leaves.inner[team.lane + (_e21 * 16u)];
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
        if (_e40 < 16u) {
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

bool in_row(
    uint k_2,
    Team team_2,
    constant Params& params
) {
    bool local = {};
    if (!((k_2 < FULL))) {
        uint _e9 = pack_of(k_2, team_2.lane, team_2.lanes);
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
    Team team_3,
    uint turn,
    constant Params& params
) {
    bool local_1 = {};
    bool _e5 = in_row(k_3, team_3, params);
    if (0u < k_3) {
        local_1 = k_3 < FULL;
    } else {
        local_1 = false;
    }
    bool _e13 = local_1;
    At _e14 = column_of_lane(k_3, team_3.lane, team_3.lanes, _e5, turn, _e13);
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

Pack measure(
    Pack d
) {
    return d * d;
}

float rstd_of(
    float power,
    float count,
    constant Params& params
) {
    float _e11 = params.eps;
    return metal::rsqrt((((as_type<uint>(power) - 2147483648u) <= 2139095040u) ? 0.0 : power) + _e11);
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

Pack row_gradient(
    Pack y,
    Affine affine,
    At at_1
) {
    return metal::float4(0.0);
}

Pack apply_weight(
    Pack y_1,
    Pack weight
) {
    return y_1 * weight;
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
    Team team_4,
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
    metal::float4 shifted_sum = {};
    float mean = {};
    metal::float4 d_sum = {};
    metal::float4 measure_sum = {};
    metal::float4 g_sum = {};
    metal::float4 gy_sum = {};
    metal::float2 lost = {};
    bool local_3 = {};
    uint _e4 = params.elements;
    float len = static_cast<float>(_e4);
    bool _e7 = in_row(0u, team_4, params);
    At _e9 = column_of(0u, team_4, turn_2, params);
    Inside _e10 = inside_of(_e9, _e7);
    if (SHARED) {
        At _e17 = column_of(0u, team_4, turn_2, params);
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
            uint _e212 = round;
            round = _e212 + 1u;
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
            uint _e34 = row_of((_e27 * _e30) + team_4.index, turn_2);
            uint _e38 = params.teams;
            if (team_4.index < _e38) {
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
            shifted_sum = metal::float4(0.0);
            At _e72 = at_of(_e61, _e9);
            At _e73 = at_of(_e57, _e9);
            Pack _e74 = load_x(_e72, _e73, input, _buffer_sizes);
            metal::float4 _e75 = shifted_sum;
            shifted_sum = _e75 + (_e10 ? (_e74 - metal::float4(_e68)) : metal::float4(0.0));
            mean = 0.0;
            if (CENTERED) {
                metal::float4 _e85 = shifted_sum;
                float _e86 = pack_sum(_e85);
                float _e87 = team_sum(_e86, team_4, leaves, branches);
                mean = _e68 + (_e87 / len);
            }
            d_sum = metal::float4(0.0);
            measure_sum = metal::float4(0.0);
            float _e98 = mean;
            Pack d_0_ = _e10 ? (_e74 - metal::float4(_e98)) : metal::float4(0.0);
            metal::float4 _e102 = d_sum;
            d_sum = _e102 + d_0_;
            metal::float4 _e104 = measure_sum;
            Pack _e105 = measure(d_0_);
            measure_sum = _e104 + _e105;
            metal::float4 _e107 = d_sum;
            float _e108 = pack_sum(_e107);
            metal::float4 _e109 = measure_sum;
            float _e110 = pack_sum(_e109);
            metal::float2 _e112 = team_sum2_(metal::float2(_e108, _e110), team_4, leaves, branches);
            metal::float2 moments = _e112 / metal::float2(len);
            float correction = CENTERED ? moments.x : 0.0;
            float _e122 = rstd_of(moments.y - (correction * correction), len, params);
            g_sum = metal::float4(0.0);
            gy_sum = metal::float4(0.0);
            Pack y_0_ = (d_0_ - metal::float4(correction)) * _e122;
            if (false) {
                uint _e136 = params.first;
                ParamAt _e138 = param_index(_e136 + row_5, _e9, params);
                Affine _e139 = affine_at(_e138, weight_1, bias_1, params, _buffer_sizes);
                affine_2.inner[0] = _e139;
            }
            Affine _e143 = affine_2.inner[0];
            At _e144 = at_of(_e57, _e9);
            Pack _e145 = row_gradient(y_0_, _e143, _e144);
            Pack grad_0_ = _e10 ? _e145 : metal::float4(0.0);
            Pack _e149 = affine_2.inner[0].weight;
            Pack _e150 = apply_weight(grad_0_, _e149);
            metal::float4 _e151 = g_sum;
            g_sum = _e151 + _e150;
            metal::float4 _e153 = gy_sum;
            gy_sum = _e153 + (_e10 ? (_e150 * y_0_) : metal::float4(0.0));
            if (SUMS) {
                Pack _e161 = grad_sum.inner[0];
                grad_sum.inner[0] = _e161 + (has_row ? grad_0_ : metal::float4(0.0));
                Pack _e167 = grad_y_sum.inner[0];
                grad_y_sum.inner[0] = _e167 + (has_row ? (grad_0_ * y_0_) : metal::float4(0.0));
            }
            lost = metal::float2 {};
            if (BACKWARD) {
                metal::float4 _e176 = g_sum;
                float _e177 = pack_sum(_e176);
                metal::float4 _e178 = gy_sum;
                float _e179 = pack_sum(_e178);
                metal::float2 _e181 = team_sum2_(metal::float2(_e177, _e179), team_4, leaves, branches);
                float _e188 = pull(len, _e122);
                lost = metal::float2(CENTERED ? (_e181.x / len) : 0.0, _e181.y * _e188);
            }
            if (has_row) {
                if (_e7) {
                    At _e191 = at_of(_e57, _e9);
                    Affine _e193 = affine_2.inner[0];
                    float _e195 = lost.x;
                    Pack _e198 = slope(y_0_);
                    float _e200 = lost.y;
                    finish(_e191, _e193, _e74, y_0_, ((_e150 - metal::float4(_e195)) - (_e198 * _e200)) * _e122, output, _buffer_sizes);
                }
                if (team_4.lane == 0u) {
                    uint _e209 = params.first;
                    float _e211 = mean;
                    save(_e209 + row_5, _e211, correction, _e122);
                }
            }
        }
    }
    if (SUMS) {
        uint _e221 = params.teams;
        local_3 = team_4.index < _e221;
    } else {
        local_3 = false;
    }
    bool _e224 = local_3;
    if (_e224) {
        bool _e226 = in_row(0u, team_4, params);
        if (_e226) {
            uint _e229 = params.first_partial;
            uint _e232 = params.teams;
            uint _e238 = params.elements;
            uint to = _e229 + (((turn_2 * _e232) + team_4.index) * _e238);
            At _e242 = column_of(0u, team_4, turn_2, params);
            Pack _e244 = grad_sum.inner[0];
            Pack _e246 = grad_y_sum.inner[0];
            put_partial_sums(to, _e242, _e244, _e246);
            return;
        } else {
            return;
        }
    } else {
        return;
    }
}

void run(
    Team team_5,
    device type_4 const& input,
    device type_4 const& weight_1,
    device type_4 const& bias_1,
    device type_4& output,
    threadgroup type_6& leaves,
    threadgroup type_7& branches,
    constant Params& params,
    constant _mslBufferSizes& _buffer_sizes
) {
    run_turn(team_5, 0u, input, weight_1, bias_1, output, leaves, branches, params, _buffer_sizes);
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
[[max_total_threads_per_threadgroup(256)]] kernel void main_(
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
