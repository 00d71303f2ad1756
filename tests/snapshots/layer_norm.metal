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

ParamAt param_column(
    At column
) {
    return column;
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

At at_of(
    uint first,
    At column_1
) {
    return first + column_1;
}

Inside inside_of(
    At column_2,
    bool counts
) {
    return counts;
}

float first_inside(
    Pack v_5,
    At column_3
) {
    float _e2 = pack_first(v_5);
    return _e2;
}

bool has_element(
    At column_4,
    uint i_5
) {
    return true;
}

uint element_of(
    At column_5,
    uint i_6
) {
    return (column_5 * PACK) + i_6;
}

float elements_of(
    uint packs,
    uint row_1
) {
    return static_cast<float>(packs * PACK);
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
    float _e8 = params.eps;
    return metal::rsqrt(((power < 0.0) ? 0.0 : power) + _e8);
}

uint naga_div(uint lhs, uint rhs) {
    return lhs / metal::select(rhs, 1u, rhs == 0u);
}

uint naga_mod(uint lhs, uint rhs) {
    return lhs % metal::select(rhs, 1u, rhs == 0u);
}

ParamAt param_index(
    uint row_2,
    At column_6,
    constant Params& params
) {
    uint _e4 = params.param_rows;
    uint _e8 = params.param_quotient;
    uint _e12 = params.param_rows;
    uint _e16 = params.param_remainder;
    uint first_3 = (naga_div(row_2, _e4) * _e8) + (naga_mod(row_2, _e12) * _e16);
    ParamAt _e19 = param_column(column_6);
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
    At column_7,
    Pack g,
    Pack gy
) {
    return;
}

void run(
    Team team_2,
    device type_4 const& input,
    device type_4 const& weight_1,
    device type_4 const& bias_1,
    device type_4& output,
    threadgroup type_6& leaves,
    threadgroup type_7& branches,
    constant Params& params,
    constant _mslBufferSizes& _buffer_sizes
) {
    bool local = {};
    bool local_1 = {};
    Affine affine_0_ = Affine {};
    metal::float4 grad_sum_0_ = metal::float4(0.0);
    metal::float4 grad_y_sum_0_ = metal::float4(0.0);
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
    uint _e3 = params.elements;
    float len = static_cast<float>(_e3);
    uint pack_0_ = team_2.lane + (0u * team_2.lanes);
    if (true) {
        uint _e15 = params.packs;
        local = pack_0_ < _e15;
    } else {
        local = true;
    }
    bool in_row_0_ = local;
    uint _e21 = params.packs;
    if (false) {
        local_1 = false;
    } else {
        local_1 = false;
    }
    bool _e31 = local_1;
    At _e32 = column_at(in_row_0_ ? pack_0_ : (_e21 - 1u), team_2.index, _e31);
    Inside _e33 = inside_of(_e32, in_row_0_);
    if (SHARED) {
        ParamAt _e37 = param_column(_e32);
        Affine _e38 = affine_at(_e37, weight_1, bias_1, params, _buffer_sizes);
        affine_0_ = _e38;
    }
    uint2 loop_bound_2 = uint2(4294967295u);
    bool loop_init_2 = true;
    while(true) {
        if (metal::all(loop_bound_2 == uint2(0u))) { break; }
        loop_bound_2 -= uint2(loop_bound_2.y == 0u, 1u);
        if (!loop_init_2) {
            uint _e231 = round;
            round = _e231 + 1u;
        }
        loop_init_2 = false;
        uint _e47 = round;
        uint _e50 = params.rounds;
        if (_e47 < _e50) {
        } else {
            break;
        }
        {
            uint _e52 = round;
            uint _e55 = params.teams;
            uint index = (_e52 * _e55) + team_2.index;
            uint _e62 = params.teams;
            if (team_2.index < _e62) {
                uint _e68 = params.rows;
                local_2 = index < _e68;
            } else {
                local_2 = false;
            }
            bool has_row = local_2;
            uint _e74 = params.rows;
            uint row_3 = metal::min(index, _e74 - 1u);
            uint _e80 = params.stride;
            uint first_4 = row_3 * _e80;
            uint _e84 = params.input_stride;
            uint first_input = row_3 * _e84;
            At _e89 = column_at(0u, team_2.index, false);
            At _e90 = at_of(first_input, _e89);
            At _e91 = at_of(first_4, _e89);
            Pack _e92 = load_x(_e90, _e91, input, _buffer_sizes);
            float _e93 = first_inside(_e92, _e89);
            shifted_sum = metal::float4(0.0);
            At _e97 = at_of(first_input, _e32);
            At _e98 = at_of(first_4, _e32);
            Pack _e99 = load_x(_e97, _e98, input, _buffer_sizes);
            metal::float4 _e100 = shifted_sum;
            shifted_sum = _e100 + (_e33 ? (_e99 - metal::float4(_e93)) : metal::float4(0.0));
            mean = 0.0;
            if (CENTERED) {
                metal::float4 _e110 = shifted_sum;
                float _e111 = pack_sum(_e110);
                float _e112 = team_sum(_e111, team_2, leaves, branches);
                mean = _e93 + (_e112 / len);
            }
            d_sum = metal::float4(0.0);
            measure_sum = metal::float4(0.0);
            float _e123 = mean;
            Pack d_0_ = _e33 ? (_e99 - metal::float4(_e123)) : metal::float4(0.0);
            metal::float4 _e127 = d_sum;
            d_sum = _e127 + d_0_;
            metal::float4 _e129 = measure_sum;
            Pack _e130 = measure(d_0_);
            measure_sum = _e129 + _e130;
            metal::float4 _e132 = d_sum;
            float _e133 = pack_sum(_e132);
            metal::float4 _e134 = measure_sum;
            float _e135 = pack_sum(_e134);
            metal::float2 _e137 = team_sum2_(metal::float2(_e133, _e135), team_2, leaves, branches);
            metal::float2 moments = _e137 / metal::float2(len);
            float correction = CENTERED ? moments.x : 0.0;
            float _e147 = rstd_of(moments.y - (correction * correction), len, params);
            g_sum = metal::float4(0.0);
            gy_sum = metal::float4(0.0);
            Pack y_0_ = (d_0_ - metal::float4(correction)) * _e147;
            if (false) {
                uint _e160 = params.first;
                ParamAt _e162 = param_index(_e160 + row_3, _e32, params);
                Affine _e163 = affine_at(_e162, weight_1, bias_1, params, _buffer_sizes);
                affine_0_ = _e163;
            }
            Affine _e166 = affine_0_;
            At _e167 = at_of(first_4, _e32);
            Pack _e168 = row_gradient(y_0_, _e166, _e167);
            Pack grad_0_ = _e33 ? _e168 : metal::float4(0.0);
            Pack _e171 = affine_0_.weight;
            Pack _e172 = apply_weight(grad_0_, _e171);
            metal::float4 _e173 = g_sum;
            g_sum = _e173 + _e172;
            metal::float4 _e175 = gy_sum;
            gy_sum = _e175 + (_e33 ? (_e172 * y_0_) : metal::float4(0.0));
            if (SUMS) {
                metal::float4 _e182 = grad_sum_0_;
                grad_sum_0_ = _e182 + (has_row ? grad_0_ : metal::float4(0.0));
                metal::float4 _e187 = grad_y_sum_0_;
                grad_y_sum_0_ = _e187 + (has_row ? (grad_0_ * y_0_) : metal::float4(0.0));
            }
            lost = metal::float2 {};
            if (BACKWARD) {
                metal::float4 _e196 = g_sum;
                float _e197 = pack_sum(_e196);
                metal::float4 _e198 = gy_sum;
                float _e199 = pack_sum(_e198);
                metal::float2 _e201 = team_sum2_(metal::float2(_e197, _e199), team_2, leaves, branches);
                float _e208 = pull(len, _e147);
                lost = metal::float2(CENTERED ? (_e201.x / len) : 0.0, _e201.y * _e208);
            }
            if (has_row) {
                if (in_row_0_) {
                    At _e211 = at_of(first_4, _e32);
                    Affine _e212 = affine_0_;
                    float _e214 = lost.x;
                    Pack _e217 = slope(y_0_);
                    float _e219 = lost.y;
                    finish(_e211, _e212, _e99, y_0_, ((_e172 - metal::float4(_e214)) - (_e217 * _e219)) * _e147, output, _buffer_sizes);
                }
                if (team_2.lane == 0u) {
                    uint _e228 = params.first;
                    float _e230 = mean;
                    save(_e228 + row_3, _e230, correction, _e147);
                }
            }
        }
    }
    if (SUMS) {
        uint _e240 = params.teams;
        local_3 = team_2.index < _e240;
    } else {
        local_3 = false;
    }
    bool _e243 = local_3;
    if (_e243) {
        if (in_row_0_) {
            uint _e246 = params.first_partial;
            uint _e250 = params.elements;
            metal::float4 _e253 = grad_sum_0_;
            metal::float4 _e254 = grad_y_sum_0_;
            put_partial_sums(_e246 + (team_2.index * _e250), _e32, _e253, _e254);
            return;
        } else {
            return;
        }
    } else {
        return;
    }
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
    At column_8,
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
