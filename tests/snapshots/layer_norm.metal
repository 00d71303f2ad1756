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
typedef uint NextWeight;
typedef uint AffineAt;
typedef metal::float4 type_8[1];
struct type_10 {
    Affine inner[2];
};
struct type_11 {
    NextWeight inner[2];
};
struct type_12 {
    Pack inner[2];
};
struct type_13 {
    int inner[2];
};
struct type_14 {
    float inner[2];
};
constant uint FAN_IN = 16u;
constant uint WORKGROUP_SIZE = 64u;
constant uint FULL = 1u;
constant uint BLOCK = 2u;
constant bool SHARED = true;
constant bool NEXT = false;
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

uint row_of(
    uint i_2
) {
    return i_2;
}

AffineAt affine_column(
    Column column_4
) {
    uint _e1 = number_of(column_4);
    return _e1;
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

metal::float4 load_weight(
    uint i_3,
    device type_8 const& weight_2,
    constant _mslBufferSizes& _buffer_sizes
) {
    metal::float4 _e3 = weight_2[i_3];
    return _e3;
}

Pack weight_at(
    AffineAt i_4,
    constant Params& params,
    device type_8 const& weight_2,
    constant _mslBufferSizes& _buffer_sizes
) {
    metal::float4 _e1 = load_weight(i_4, weight_2, _buffer_sizes);
    float _e4 = params.weight_offset;
    return _e1 + metal::float4(_e4);
}

metal::float4 load_bias(
    uint i_5,
    device type_8 const& bias_1,
    constant _mslBufferSizes& _buffer_sizes
) {
    metal::float4 _e3 = bias_1[i_5];
    return _e3;
}

Pack bias_at(
    AffineAt i_6,
    device type_8 const& bias_1,
    constant _mslBufferSizes& _buffer_sizes
) {
    metal::float4 _e1 = load_bias(i_6, bias_1, _buffer_sizes);
    return _e1;
}

Affine affine_at(
    AffineAt i_7,
    constant Params& params,
    device type_8 const& weight_2,
    device type_8 const& bias_1,
    constant _mslBufferSizes& _buffer_sizes
) {
    Pack _e1 = weight_at(i_7, params, weight_2, _buffer_sizes);
    Pack _e2 = bias_at(i_7, bias_1, _buffer_sizes);
    return Affine {_e1, _e2};
}

NextWeight next_weight_at(
    AffineAt i_8
) {
    return 0u;
}

metal::float4 load_input(
    uint i_9,
    device type_8 const& input,
    constant _mslBufferSizes& _buffer_sizes
) {
    metal::float4 _e3 = input[i_9];
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

void finish_both(
    At at_4,
    Pack x_1,
    Pack output,
    Pack y_4,
    NextWeight weight_1
) {
    return;
}

void store_sum(
    At at_5,
    Pack x_2
) {
    return;
}

void store_output(
    uint i_10,
    metal::float4 v_8,
    device type_8& output_1,
    constant _mslBufferSizes& _buffer_sizes
) {
    output_1[i_10] = v_8;
    return;
}

void store_result(
    At at_6,
    Pack y_5,
    device type_8& output_1,
    constant _mslBufferSizes& _buffer_sizes
) {
    store_output(at_6, y_5, output_1, _buffer_sizes);
    return;
}

void finish(
    At at_7,
    Affine affine_2,
    Pack x_3,
    Pack y_6,
    Pack grad_input,
    device type_8& output_1,
    constant _mslBufferSizes& _buffer_sizes
) {
    store_sum(at_7, x_3);
    Pack _e5 = output_of(y_6, affine_2, at_7);
    store_result(at_7, _e5, output_1, _buffer_sizes);
    return;
}

Pack measure_derivative(
    Pack y_7
) {
    return y_7;
}

void save(
    uint i_11,
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
    device type_8 const& weight_2,
    device type_8 const& bias_1,
    device type_8 const& input,
    device type_8& output_1,
    constant _mslBufferSizes& _buffer_sizes
) {
    type_10 affine_3 = {};
    type_11 next = {};
    type_12 grad_sum = {};
    type_12 grad_y_sum = {};
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
    float next_rstd = {};
    metal::float4 power_1 = {};
    type_13 peak_3 = {};
    type_14 factor_1 = {};
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
        uint _e24 = params.first;
        uint _e28 = params.rows;
        uint _e32 = row_of(metal::min(team_6.index, _e28 - 1u));
        uint first_row = _e24 + _e32;
        Column _e35 = column_of(0u, team_6, params);
        AffineAt _e36 = row_affine_index(first_row, _e35, params);
        Affine _e38 = affine_at(_e36, params, weight_2, bias_1, _buffer_sizes);
        affine_3.inner[0] = _e38;
        if (NEXT) {
            NextWeight _e41 = next_weight_at(_e36);
            next.inner[0] = _e41;
        }
        Column _e43 = column_of(1u, team_6, params);
        AffineAt _e44 = row_affine_index(first_row, _e43, params);
        Affine _e46 = affine_at(_e44, params, weight_2, bias_1, _buffer_sizes);
        affine_3.inner[1] = _e46;
        if (NEXT) {
            NextWeight _e49 = next_weight_at(_e44);
            next.inner[1] = _e49;
        }
    }
    uint2 loop_bound_2 = uint2(4294967295u);
    bool loop_init_2 = true;
    while(true) {
        if (metal::all(loop_bound_2 == uint2(0u))) { break; }
        loop_bound_2 -= uint2(loop_bound_2.y == 0u, 1u);
        if (!loop_init_2) {
            uint _e661 = round;
            round = _e661 + 1u;
        }
        loop_init_2 = false;
        uint _e52 = round;
        uint _e55 = params.rows_per_team;
        if (_e52 < _e55) {
        } else {
            break;
        }
        {
            uint _e57 = round;
            uint _e60 = params.teams;
            uint index = (_e57 * _e60) + team_6.index;
            uint _e67 = params.teams;
            if (team_6.index < _e67) {
                uint _e73 = params.rows;
                local_2 = index < _e73;
            } else {
                local_2 = false;
            }
            bool has_row = local_2;
            uint _e79 = params.rows;
            uint _e83 = row_of(metal::min(index, _e79 - 1u));
            uint _e86 = params.stride;
            First _e87 = first_of(_e83, _e86);
            shift = 0.0;
            if (true) {
                Column _e97 = column_of_lane(0u, 0u, 1u, true, team_6.index, false);
                At _e98 = at_of(_e87, _e97);
                Pack _e99 = load_x(_e98, input, _buffer_sizes);
                float _e100 = first_inside(_e99, _e97);
                shift = _e100;
            }
            At _e101 = at_of(_e87, _e10);
            Pack _e102 = load_x(_e101, input, _buffer_sizes);
            grad_0_ = metal::float4(0.0);
            if (EARLY) {
                Affine _e108 = affine_3.inner[0];
                At _e109 = at_of(_e87, _e10);
                Pack _e110 = row_gradient(_e102, _e108, _e109);
                Pack _e111 = masked(_e110, _e11);
                grad_0_ = _e111;
            }
            At _e112 = at_of(_e87, _e15);
            Pack _e113 = load_x(_e112, input, _buffer_sizes);
            grad_1_ = metal::float4(0.0);
            if (EARLY) {
                Affine _e119 = affine_3.inner[1];
                At _e120 = at_of(_e87, _e15);
                Pack _e121 = row_gradient(_e113, _e119, _e120);
                Pack _e122 = masked(_e121, _e16);
                grad_1_ = _e122;
            }
            shares = metal::float4(0.0);
            metal::float4 _e126 = shares;
            float _e127 = shift;
            Pack _e131 = masked((_e102 - metal::float4(_e127)) * share, _e11);
            shares = _e126 + _e131;
            metal::float4 _e133 = shares;
            float _e134 = shift;
            Pack _e138 = masked((_e113 - metal::float4(_e134)) * share, _e16);
            shares = _e133 + _e138;
            mean_1 = 0.0;
            if (CENTERED) {
                float _e143 = shift;
                metal::float4 _e144 = shares;
                float _e145 = pack_sum(_e144);
                float _e146 = team_sum(_e145, team_6, leaves, branches);
                float _e148 = first_inside(_e102, _e10);
                float _e149 = rounded(_e143 + _e146, _e148, params);
                mean_1 = _e149;
            }
            d_sum = metal::float4(0.0);
            measure_sum = metal::float4(0.0);
            down_sum = metal::float4(0.0);
            up_sum = metal::float4(0.0);
            g_sum = metal::float4(0.0);
            gd_sum = metal::float4(0.0);
            float _e168 = mean_1;
            Pack _e171 = masked(_e102 - metal::float4(_e168), _e11);
            d_0_ = _e171;
            metal::float4 _e173 = d_sum;
            Pack _e174 = d_0_;
            d_sum = _e173 + _e174;
            metal::float4 _e176 = measure_sum;
            Pack _e177 = d_0_;
            Pack _e178 = measure(_e177);
            measure_sum = _e176 + _e178;
            if (SCALED) {
                metal::float4 _e181 = down_sum;
                Pack _e182 = d_0_;
                Pack _e185 = measure(_e182 * DOWN);
                down_sum = _e181 + _e185;
                metal::float4 _e187 = up_sum;
                Pack _e188 = d_0_;
                Pack _e191 = measure(_e188 * UP);
                up_sum = _e187 + _e191;
            }
            if (EARLY) {
                if (false) {
                    uint _e198 = params.first;
                    AffineAt _e200 = row_affine_index(_e198 + _e83, _e10, params);
                    Affine _e201 = affine_at(_e200, params, weight_2, bias_1, _buffer_sizes);
                    affine_3.inner[0] = _e201;
                }
                metal::float4 _e202 = grad_0_;
                Pack _e205 = affine_3.inner[0].weight;
                Pack _e206 = apply_weight(_e202, _e205);
                metal::float4 _e207 = g_sum;
                g_sum = _e207 + _e206;
                metal::float4 _e209 = gd_sum;
                Pack _e210 = d_0_;
                gd_sum = _e209 + (_e206 * _e210);
            }
            float _e213 = mean_1;
            Pack _e216 = masked(_e113 - metal::float4(_e213), _e16);
            d_1_ = _e216;
            metal::float4 _e218 = d_sum;
            Pack _e219 = d_1_;
            d_sum = _e218 + _e219;
            metal::float4 _e221 = measure_sum;
            Pack _e222 = d_1_;
            Pack _e223 = measure(_e222);
            measure_sum = _e221 + _e223;
            if (SCALED) {
                metal::float4 _e226 = down_sum;
                Pack _e227 = d_1_;
                Pack _e230 = measure(_e227 * DOWN);
                down_sum = _e226 + _e230;
                metal::float4 _e232 = up_sum;
                Pack _e233 = d_1_;
                Pack _e236 = measure(_e233 * UP);
                up_sum = _e232 + _e236;
            }
            if (EARLY) {
                if (false) {
                    uint _e243 = params.first;
                    AffineAt _e245 = row_affine_index(_e243 + _e83, _e15, params);
                    Affine _e246 = affine_at(_e245, params, weight_2, bias_1, _buffer_sizes);
                    affine_3.inner[1] = _e246;
                }
                metal::float4 _e247 = grad_1_;
                Pack _e250 = affine_3.inner[1].weight;
                Pack _e251 = apply_weight(_e247, _e250);
                metal::float4 _e252 = g_sum;
                g_sum = _e252 + _e251;
                metal::float4 _e254 = gd_sum;
                Pack _e255 = d_1_;
                gd_sum = _e254 + (_e251 * _e255);
            }
            metal::float4 _e258 = d_sum;
            float _e259 = pack_sum(_e258);
            metal::float4 _e260 = measure_sum;
            float _e261 = pack_sum(_e260);
            metal::float4 _e262 = g_sum;
            float _e263 = pack_sum(_e262);
            metal::float4 _e264 = gd_sum;
            float _e265 = pack_sum(_e264);
            sums_2 = metal::float4(_e259, _e261, _e263, _e265);
            measured = metal::float3 {};
            if (SCALED) {
                metal::float4 _e271 = down_sum;
                float _e272 = pack_sum(_e271);
                float _e274 = sums_2.y;
                metal::float4 _e275 = up_sum;
                float _e276 = pack_sum(_e275);
                metal::float4 _e279 = team_sum4_(metal::float4(_e272, _e274, _e276, 0.0), team_6, leaves, branches);
                measured = _e279.xyz;
            } else {
                if (EARLY) {
                    metal::float4 _e282 = sums_2;
                    metal::float4 _e283 = team_sum4_(_e282, team_6, leaves, branches);
                    sums_2 = _e283;
                } else {
                    metal::float4 _e284 = sums_2;
                    metal::float2 _e286 = team_sum2_(_e284.xy, team_6, leaves, branches);
                    sums_2 = metal::float4(_e286, 0.0, 0.0);
                }
                float _e292 = sums_2.y;
                measured.y = _e292;
            }
            float _e294 = sums_2.x;
            float correction = CENTERED ? (_e294 / len) : 0.0;
            metal::float3 _e299 = measured;
            float _e300 = scale_of(_e299);
            metal::float3 _e301 = measured;
            float _e302 = at_scale(_e301, _e300);
            float _e306 = rstd_of((_e302 / len) - (correction * correction), len, _e300, params);
            Pack _e307 = d_0_;
            Pack y_0_ = ((_e307 - metal::float4(correction)) * _e300) * _e306;
            if (false) {
                local_3 = true;
            } else {
                local_3 = false;
            }
            bool _e317 = local_3;
            if (_e317) {
                uint _e321 = params.first;
                AffineAt _e323 = row_affine_index(_e321 + _e83, _e10, params);
                Affine _e324 = affine_at(_e323, params, weight_2, bias_1, _buffer_sizes);
                affine_3.inner[0] = _e324;
            }
            if (LATE) {
                Affine _e327 = affine_3.inner[0];
                At _e328 = at_of(_e87, _e10);
                Pack _e329 = row_gradient(y_0_, _e327, _e328);
                Pack _e330 = masked(_e329, _e11);
                grad_0_ = _e330;
                metal::float4 _e331 = grad_0_;
                Pack _e334 = affine_3.inner[0].weight;
                Pack _e335 = apply_weight(_e331, _e334);
                metal::float4 _e336 = g_sum;
                g_sum = _e336 + _e335;
                metal::float4 _e338 = gd_sum;
                Pack _e339 = d_0_;
                gd_sum = _e338 + (_e335 * (_e339 * _e300));
            }
            if (SUMS) {
                local_4 = false;
            } else {
                local_4 = false;
            }
            bool _e348 = local_4;
            if (_e348) {
                Pack _e350 = grad_sum.inner[0];
                metal::float4 _e353 = grad_0_;
                grad_sum.inner[0] = _e350 + (has_row ? _e353 : metal::float4(0.0));
                Pack _e357 = grad_y_sum.inner[0];
                metal::float4 _e360 = grad_0_;
                grad_y_sum.inner[0] = _e357 + (has_row ? (_e360 * y_0_) : metal::float4(0.0));
            }
            Pack _e364 = d_1_;
            Pack y_1_ = ((_e364 - metal::float4(correction)) * _e300) * _e306;
            if (false) {
                local_5 = true;
            } else {
                local_5 = false;
            }
            bool _e374 = local_5;
            if (_e374) {
                uint _e378 = params.first;
                AffineAt _e380 = row_affine_index(_e378 + _e83, _e15, params);
                Affine _e381 = affine_at(_e380, params, weight_2, bias_1, _buffer_sizes);
                affine_3.inner[1] = _e381;
            }
            if (LATE) {
                Affine _e384 = affine_3.inner[1];
                At _e385 = at_of(_e87, _e15);
                Pack _e386 = row_gradient(y_1_, _e384, _e385);
                Pack _e387 = masked(_e386, _e16);
                grad_1_ = _e387;
                metal::float4 _e388 = grad_1_;
                Pack _e391 = affine_3.inner[1].weight;
                Pack _e392 = apply_weight(_e388, _e391);
                metal::float4 _e393 = g_sum;
                g_sum = _e393 + _e392;
                metal::float4 _e395 = gd_sum;
                Pack _e396 = d_1_;
                gd_sum = _e395 + (_e392 * (_e396 * _e300));
            }
            if (SUMS) {
                local_6 = false;
            } else {
                local_6 = false;
            }
            bool _e405 = local_6;
            if (_e405) {
                Pack _e407 = grad_sum.inner[1];
                metal::float4 _e410 = grad_1_;
                grad_sum.inner[1] = _e407 + (has_row ? _e410 : metal::float4(0.0));
                Pack _e414 = grad_y_sum.inner[1];
                metal::float4 _e417 = grad_1_;
                grad_y_sum.inner[1] = _e414 + (has_row ? (_e417 * y_1_) : metal::float4(0.0));
            }
            coefficients = metal::float2 {};
            if (BACKWARD) {
                if (LATE) {
                    metal::float4 _e425 = sums_2;
                    metal::float4 _e427 = g_sum;
                    float _e428 = pack_sum(_e427);
                    metal::float4 _e429 = gd_sum;
                    float _e430 = pack_sum(_e429);
                    metal::float2 _e432 = team_sum2_(metal::float2(_e428, _e430), team_6, leaves, branches);
                    sums_2 = metal::float4(_e425.xy, _e432);
                }
                float _e435 = sums_2.w;
                float _e437 = sums_2.z;
                float gy_sum = (_e435 - (correction * _e437)) * _e306;
                float _e442 = sums_2.z;
                float _e447 = product_share(len, _e306, _e300);
                coefficients = metal::float2(CENTERED ? (_e442 / len) : 0.0, gy_sum * _e447);
            }
            next_rstd = 0.0;
            if (NEXT) {
                power_1 = metal::float4(0.0);
                Affine _e457 = affine_3.inner[0];
                At _e458 = at_of(_e87, _e10);
                Pack _e459 = output_of(y_0_, _e457, _e458);
                Pack _e460 = masked(_e459, _e11);
                d_0_ = _e460;
                metal::float4 _e461 = power_1;
                Pack _e462 = d_0_;
                Pack _e463 = measure(_e462);
                power_1 = _e461 + _e463;
                Affine _e466 = affine_3.inner[1];
                At _e467 = at_of(_e87, _e15);
                Pack _e468 = output_of(y_1_, _e466, _e467);
                Pack _e469 = masked(_e468, _e16);
                d_1_ = _e469;
                metal::float4 _e470 = power_1;
                Pack _e471 = d_1_;
                Pack _e472 = measure(_e471);
                power_1 = _e470 + _e472;
                metal::float4 _e474 = power_1;
                float _e475 = pack_sum(_e474);
                float _e476 = team_sum(_e475, team_6, leaves, branches);
                float _e479 = rstd_of(_e476 / len, len, 1.0, params);
                next_rstd = _e479;
            }
            if (QUANTIZED) {
                peak_3 = type_13 {};
                factor_1 = type_14 {};
                Affine _e486 = affine_3.inner[0];
                At _e487 = at_of(_e87, _e10);
                Pack _e488 = output_of(y_0_, _e486, _e487);
                d_0_ = _e488;
                Pack _e489 = d_0_;
                int _e490 = pack_peak(_e489);
                int own_0_ = _e8 ? _e490 : 0;
                int _e495 = peak_3.inner[0];
                peak_3.inner[0] = metal::max(_e495, own_0_);
                Affine _e498 = affine_3.inner[1];
                At _e499 = at_of(_e87, _e15);
                Pack _e500 = output_of(y_1_, _e498, _e499);
                d_1_ = _e500;
                Pack _e501 = d_1_;
                int _e502 = pack_peak(_e501);
                int own_1_ = _e13 ? _e502 : 0;
                int _e507 = peak_3.inner[1];
                peak_3.inner[1] = metal::max(_e507, own_1_);
                if (true) {
                    int _e511 = peak_3.inner[0];
                    int _e512 = peak_of_block(_e511, team_6);
                    float _e514 = quantized_factor(_e512);
                    factor_1.inner[0] = _e514;
                    if (has_row) {
                        local_7 = _e8;
                    } else {
                        local_7 = false;
                    }
                    bool _e518 = local_7;
                    if (_e518) {
                        uint _e521 = params.first;
                        put_quantized_scale(_e521 + _e83, _e10, team_6.lane, _e512);
                    }
                }
                if (true) {
                    int _e526 = peak_3.inner[1];
                    int _e527 = peak_of_block(_e526, team_6);
                    float _e529 = quantized_factor(_e527);
                    factor_1.inner[1] = _e529;
                    if (has_row) {
                        local_8 = _e13;
                    } else {
                        local_8 = false;
                    }
                    bool _e533 = local_8;
                    if (_e533) {
                        uint _e536 = params.first;
                        put_quantized_scale(_e536 + _e83, _e15, team_6.lane, _e527);
                    }
                }
                if (has_row) {
                    if (_e8) {
                        uint _e541 = params.first;
                        Pack _e543 = d_0_;
                        float _e545 = factor_1.inner[0];
                        put_quantized(_e541 + _e83, _e10, _e543, _e545);
                    }
                    if (_e13) {
                        uint _e548 = params.first;
                        Pack _e550 = d_1_;
                        float _e552 = factor_1.inner[1];
                        put_quantized(_e548 + _e83, _e15, _e550, _e552);
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
                    bool _e558 = local_9;
                    if (_e558) {
                        Pack _e560 = grad_sum.inner[0];
                        metal::float4 _e561 = grad_0_;
                        grad_sum.inner[0] = _e560 + _e561;
                        Pack _e564 = grad_y_sum.inner[0];
                        metal::float4 _e565 = grad_0_;
                        grad_y_sum.inner[0] = _e564 + (_e565 * y_0_);
                    }
                    metal::float4 _e568 = grad_0_;
                    Pack _e571 = affine_3.inner[0].weight;
                    Pack _e572 = apply_weight(_e568, _e571);
                    if (NEXT) {
                        if (false) {
                            uint _e578 = params.first;
                            AffineAt _e580 = row_affine_index(_e578 + _e83, _e10, params);
                            NextWeight _e581 = next_weight_at(_e580);
                            next.inner[0] = _e581;
                        }
                        At _e582 = at_of(_e87, _e10);
                        Pack _e583 = d_0_;
                        Pack _e584 = d_0_;
                        float _e585 = next_rstd;
                        NextWeight _e588 = next.inner[0];
                        finish_both(_e582, _e102, _e583, _e584 * _e585, _e588);
                    } else {
                        At _e589 = at_of(_e87, _e10);
                        Affine _e591 = affine_3.inner[0];
                        float _e593 = coefficients.x;
                        Pack _e596 = measure_derivative(y_0_);
                        float _e598 = coefficients.y;
                        finish(_e589, _e591, _e102, y_0_, (((_e572 - metal::float4(_e593)) - (_e596 * _e598)) * _e306) * _e300, output_1, _buffer_sizes);
                    }
                }
                if (_e13) {
                    if (SUMS) {
                        local_10 = SUMS_BRANCH;
                    } else {
                        local_10 = false;
                    }
                    bool _e608 = local_10;
                    if (_e608) {
                        Pack _e610 = grad_sum.inner[1];
                        metal::float4 _e611 = grad_1_;
                        grad_sum.inner[1] = _e610 + _e611;
                        Pack _e614 = grad_y_sum.inner[1];
                        metal::float4 _e615 = grad_1_;
                        grad_y_sum.inner[1] = _e614 + (_e615 * y_1_);
                    }
                    metal::float4 _e618 = grad_1_;
                    Pack _e621 = affine_3.inner[1].weight;
                    Pack _e622 = apply_weight(_e618, _e621);
                    if (NEXT) {
                        if (false) {
                            uint _e628 = params.first;
                            AffineAt _e630 = row_affine_index(_e628 + _e83, _e15, params);
                            NextWeight _e631 = next_weight_at(_e630);
                            next.inner[1] = _e631;
                        }
                        At _e632 = at_of(_e87, _e15);
                        Pack _e633 = d_1_;
                        Pack _e634 = d_1_;
                        float _e635 = next_rstd;
                        NextWeight _e638 = next.inner[1];
                        finish_both(_e632, _e113, _e633, _e634 * _e635, _e638);
                    } else {
                        At _e639 = at_of(_e87, _e15);
                        Affine _e641 = affine_3.inner[1];
                        float _e643 = coefficients.x;
                        Pack _e646 = measure_derivative(y_1_);
                        float _e648 = coefficients.y;
                        finish(_e639, _e641, _e113, y_1_, (((_e622 - metal::float4(_e643)) - (_e646 * _e648)) * _e306) * _e300, output_1, _buffer_sizes);
                    }
                }
                if (team_6.lane == 0u) {
                    uint _e658 = params.first;
                    float _e660 = mean_1;
                    save(_e658 + _e83, _e660, correction, _e306, _e300);
                }
            }
        }
    }
    if (SUMS) {
        uint _e670 = params.teams;
        local_11 = team_6.index < _e670;
    } else {
        local_11 = false;
    }
    bool _e673 = local_11;
    if (_e673) {
        bool _e675 = in_row(0u, team_6, params);
        if (_e675) {
            uint _e678 = params.first_partial;
            uint _e682 = params.elements;
            uint to = _e678 + (team_6.index * _e682);
            Column _e686 = column_of(0u, team_6, params);
            Pack _e688 = grad_sum.inner[0];
            Pack _e690 = grad_y_sum.inner[0];
            put_partial_sums(to, _e686, _e688, _e690);
        }
        bool _e692 = in_row(1u, team_6, params);
        if (_e692) {
            uint _e695 = params.first_partial;
            uint _e699 = params.elements;
            uint to_1 = _e695 + (team_6.index * _e699);
            Column _e703 = column_of(1u, team_6, params);
            Pack _e705 = grad_sum.inner[1];
            Pack _e707 = grad_y_sum.inner[1];
            put_partial_sums(to_1, _e703, _e705, _e707);
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
, device type_8 const& weight_2 [[user(fake0)]]
, device type_8 const& bias_1 [[user(fake0)]]
, device type_8 const& input [[user(fake0)]]
, device type_8& output_1 [[user(fake0)]]
, constant _mslBufferSizes& _buffer_sizes [[user(fake0)]]
) {
    if (local_index == 0u) {
        leaves = {};
        branches = {};
    }
    metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
    uint workgroup = (workgroup_id.y * num_workgroups.x) + workgroup_id.x;
    run(Team {workgroup, local_index, WORKGROUP_SIZE}, leaves, branches, params, weight_2, bias_1, input, output_1, _buffer_sizes);
    return;
}
