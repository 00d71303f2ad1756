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
    bool _e7 = in_row(0u, team_5, turn_5, params);
    At _e9 = column_of(0u, team_5, turn_5, params);
    Inside _e10 = inside_of(_e9, _e7);
    if (SHARED) {
        At _e17 = column_of(0u, team_5, turn_5, params);
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
            uint _e274 = round;
            round = _e274 + 1u;
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
            uint _e34 = row_of((_e27 * _e30) + team_5.index, turn_5, params);
            uint _e38 = params.teams;
            if (team_5.index < _e38) {
                uint _e44 = params.rows;
                local_2 = _e34 < _e44;
            } else {
                local_2 = false;
            }
            bool has_row = local_2;
            uint _e48 = row_there(_e34, turn_5, params);
            uint _e51 = params.stride;
            uint _e52 = first_of(_e48, _e51);
            uint _e55 = params.input_stride;
            uint _e56 = first_of(_e48, _e55);
            At _e59 = column_at(0u, turn_5, false);
            At _e60 = at_of(_e56, _e59);
            At _e61 = at_of(_e52, _e59);
            Pack _e62 = load_x(_e60, _e61, input, _buffer_sizes);
            float _e63 = first_inside(_e62, _e59);
            At _e64 = at_of(_e56, _e9);
            At _e65 = at_of(_e52, _e9);
            Pack _e66 = load_x(_e64, _e65, input, _buffer_sizes);
            grad_0_ = metal::float4(0.0);
            if (EARLY) {
                Affine _e74 = affine_2.inner[0];
                At _e75 = at_of(_e52, _e9);
                Pack _e76 = row_gradient(_e66, _e74, _e75);
                grad_0_ = _e10 ? _e76 : metal::float4(0.0);
            }
            shifted_sum = metal::float4(0.0);
            metal::float4 _e81 = shifted_sum;
            shifted_sum = _e81 + (_e10 ? (_e66 - metal::float4(_e63)) : metal::float4(0.0));
            mean = 0.0;
            if (CENTERED) {
                metal::float4 _e91 = shifted_sum;
                float _e92 = pack_sum(_e91);
                float _e93 = team_sum(_e92, team_5, leaves, branches);
                mean = _e63 + (_e93 / len);
            }
            d_sum = metal::float4(0.0);
            measure_sum = metal::float4(0.0);
            g_sum = metal::float4(0.0);
            gd_sum = metal::float4(0.0);
            float _e110 = mean;
            Pack d_0_ = _e10 ? (_e66 - metal::float4(_e110)) : metal::float4(0.0);
            metal::float4 _e114 = d_sum;
            d_sum = _e114 + d_0_;
            metal::float4 _e116 = measure_sum;
            Pack _e117 = measure(d_0_);
            measure_sum = _e116 + _e117;
            if (EARLY) {
                if (false) {
                    uint _e124 = params.first;
                    ParamAt _e126 = param_index(_e124 + _e48, _e9, params);
                    Affine _e127 = affine_at(_e126, weight_1, bias_1, params, _buffer_sizes);
                    affine_2.inner[0] = _e127;
                }
                metal::float4 _e128 = grad_0_;
                Pack _e131 = affine_2.inner[0].weight;
                Pack _e132 = apply_weight(_e128, _e131);
                metal::float4 _e133 = g_sum;
                g_sum = _e133 + _e132;
                metal::float4 _e135 = gd_sum;
                gd_sum = _e135 + (_e132 * d_0_);
            }
            metal::float4 _e138 = d_sum;
            float _e139 = pack_sum(_e138);
            metal::float4 _e140 = measure_sum;
            float _e141 = pack_sum(_e140);
            metal::float4 _e142 = g_sum;
            float _e143 = pack_sum(_e142);
            metal::float4 _e144 = gd_sum;
            float _e145 = pack_sum(_e144);
            sums = metal::float4(_e139, _e141, _e143, _e145);
            if (EARLY) {
                metal::float4 _e149 = sums;
                metal::float4 _e150 = team_sum4_(_e149, team_5, leaves, branches);
                sums = _e150;
            } else {
                metal::float4 _e151 = sums;
                metal::float2 _e153 = team_sum2_(_e151.xy, team_5, leaves, branches);
                sums = metal::float4(_e153, 0.0, 0.0);
            }
            metal::float4 _e157 = sums;
            metal::float2 moments = _e157.xy / metal::float2(len);
            float correction = CENTERED ? moments.x : 0.0;
            float _e168 = rstd_of(moments.y - (correction * correction), len, params);
            Pack y_0_ = (d_0_ - metal::float4(correction)) * _e168;
            if (false) {
                local_3 = true;
            } else {
                local_3 = false;
            }
            bool _e177 = local_3;
            if (_e177) {
                uint _e181 = params.first;
                ParamAt _e183 = param_index(_e181 + _e48, _e9, params);
                Affine _e184 = affine_at(_e183, weight_1, bias_1, params, _buffer_sizes);
                affine_2.inner[0] = _e184;
            }
            if (BACKWARD_NEEDS_Y) {
                Affine _e189 = affine_2.inner[0];
                At _e190 = at_of(_e52, _e9);
                Pack _e191 = row_gradient(y_0_, _e189, _e190);
                grad_0_ = _e10 ? _e191 : metal::float4(0.0);
                metal::float4 _e193 = grad_0_;
                Pack _e196 = affine_2.inner[0].weight;
                Pack _e197 = apply_weight(_e193, _e196);
                metal::float4 _e198 = g_sum;
                g_sum = _e198 + _e197;
                metal::float4 _e200 = gd_sum;
                gd_sum = _e200 + (_e197 * d_0_);
            }
            if (SUMS) {
                Pack _e205 = grad_sum.inner[0];
                metal::float4 _e208 = grad_0_;
                grad_sum.inner[0] = _e205 + (has_row ? _e208 : metal::float4(0.0));
                Pack _e212 = grad_y_sum.inner[0];
                metal::float4 _e215 = grad_0_;
                grad_y_sum.inner[0] = _e212 + (has_row ? (_e215 * y_0_) : metal::float4(0.0));
            }
            lost = metal::float2 {};
            if (BACKWARD) {
                if (BACKWARD_NEEDS_Y) {
                    metal::float4 _e223 = sums;
                    metal::float4 _e225 = g_sum;
                    float _e226 = pack_sum(_e225);
                    metal::float4 _e227 = gd_sum;
                    float _e228 = pack_sum(_e227);
                    metal::float2 _e230 = team_sum2_(metal::float2(_e226, _e228), team_5, leaves, branches);
                    sums = metal::float4(_e223.xy, _e230);
                }
                float _e233 = sums.w;
                float _e235 = sums.z;
                float gy_sum = (_e233 - (correction * _e235)) * _e168;
                float _e240 = sums.z;
                float _e245 = pull(len, _e168);
                lost = metal::float2(CENTERED ? (_e240 / len) : 0.0, gy_sum * _e245);
            }
            if (has_row) {
                if (_e7) {
                    metal::float4 _e248 = grad_0_;
                    Pack _e251 = affine_2.inner[0].weight;
                    Pack _e252 = apply_weight(_e248, _e251);
                    At _e253 = at_of(_e52, _e9);
                    Affine _e255 = affine_2.inner[0];
                    float _e257 = lost.x;
                    Pack _e260 = slope(y_0_);
                    float _e262 = lost.y;
                    finish(_e253, _e255, _e66, y_0_, ((_e252 - metal::float4(_e257)) - (_e260 * _e262)) * _e168, output, _buffer_sizes);
                }
                if (team_5.lane == 0u) {
                    uint _e271 = params.first;
                    float _e273 = mean;
                    save(_e271 + _e48, _e273, correction, _e168);
                }
            }
        }
    }
    if (SUMS) {
        uint _e283 = params.teams;
        local_4 = team_5.index < _e283;
    } else {
        local_4 = false;
    }
    bool _e286 = local_4;
    if (_e286) {
        bool _e288 = in_row(0u, team_5, turn_5, params);
        if (_e288) {
            uint _e291 = params.first_partial;
            uint _e294 = params.teams;
            uint _e300 = params.elements;
            uint to = _e291 + (((turn_5 * _e294) + team_5.index) * _e300);
            At _e304 = column_of(0u, team_5, turn_5, params);
            Pack _e306 = grad_sum.inner[0];
            Pack _e308 = grad_y_sum.inner[0];
            put_partial_sums(to, _e304, _e306, _e308);
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
