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
    uint row_step;
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
constant bool EARLY_SUM = false;

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

uint naga_div(uint lhs, uint rhs) {
    return lhs / metal::select(rhs, 1u, rhs == 0u);
}

uint naga_mod(uint lhs, uint rhs) {
    return lhs % metal::select(rhs, 1u, rhs == 0u);
}

uint first_row_of(
    Team team_3,
    uint rows_of_team,
    constant Params& params
) {
    uint _e5 = params.row_step;
    uint _e9 = params.row_step;
    uint _e15 = params.row_step;
    return (naga_div(team_3.index, _e5) * (_e9 * rows_of_team)) + naga_mod(team_3.index, _e15);
}

bool in_row(
    uint k_2,
    Team team_4,
    constant Params& params
) {
    bool local = {};
    if (!((k_2 < FULL))) {
        uint _e9 = pack_of(k_2, team_4.lane, team_4.lanes);
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
    Team team_5,
    constant Params& params
) {
    bool local_1 = {};
    bool _e4 = in_row(k_3, team_5, params);
    if (0u < k_3) {
        local_1 = k_3 < FULL;
    } else {
        local_1 = false;
    }
    bool _e13 = local_1;
    Column _e14 = column_of_lane(k_3, team_5.lane, team_5.lanes, _e4, team_5.index, _e13);
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
    Team team_6
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
    uint k_4,
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
    if (true) {
        store_sum(at_7, x_3);
    }
    Pack _e6 = output_of(y_6, affine_2, at_7);
    store_result(at_7, _e6, output_1, _buffer_sizes);
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
    Team team_7,
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
    uint _e9 = params.rows_per_team;
    uint _e10 = first_row_of(team_7, _e9, params);
    bool _e12 = in_row(0u, team_7, params);
    Column _e14 = column_of(0u, team_7, params);
    Mask _e15 = mask_of(_e14, _e12);
    bool _e17 = in_row(1u, team_7, params);
    Column _e19 = column_of(1u, team_7, params);
    Mask _e20 = mask_of(_e19, _e17);
    if (SHARED) {
        uint _e28 = params.first;
        uint _e31 = params.rows;
        uint _e35 = row_of(metal::min(_e10, _e31 - 1u));
        uint first_row = _e28 + _e35;
        Column _e38 = column_of(0u, team_7, params);
        AffineAt _e39 = row_affine_index(first_row, _e38, params);
        Affine _e41 = affine_at(_e39, params, weight_2, bias_1, _buffer_sizes);
        affine_3.inner[0] = _e41;
        if (NEXT) {
            NextWeight _e44 = next_weight_at(_e39);
            next.inner[0] = _e44;
        }
        Column _e46 = column_of(1u, team_7, params);
        AffineAt _e47 = row_affine_index(first_row, _e46, params);
        Affine _e49 = affine_at(_e47, params, weight_2, bias_1, _buffer_sizes);
        affine_3.inner[1] = _e49;
        if (NEXT) {
            NextWeight _e52 = next_weight_at(_e47);
            next.inner[1] = _e52;
        }
    }
    uint2 loop_bound_2 = uint2(4294967295u);
    bool loop_init_2 = true;
    while(true) {
        if (metal::all(loop_bound_2 == uint2(0u))) { break; }
        loop_bound_2 -= uint2(loop_bound_2.y == 0u, 1u);
        if (!loop_init_2) {
            uint _e665 = round;
            round = _e665 + 1u;
        }
        loop_init_2 = false;
        uint _e55 = round;
        uint _e58 = params.rows_per_team;
        if (_e55 < _e58) {
        } else {
            break;
        }
        {
            uint _e60 = round;
            uint _e63 = params.row_step;
            uint index = _e10 + (_e60 * _e63);
            uint _e69 = params.teams;
            if (team_7.index < _e69) {
                uint _e75 = params.rows;
                local_2 = index < _e75;
            } else {
                local_2 = false;
            }
            bool has_row = local_2;
            uint _e81 = params.rows;
            uint _e85 = row_of(metal::min(index, _e81 - 1u));
            uint _e88 = params.stride;
            First _e89 = first_of(_e85, _e88);
            shift = 0.0;
            if (true) {
                Column _e99 = column_of_lane(0u, 0u, 1u, true, team_7.index, false);
                At _e100 = at_of(_e89, _e99);
                Pack _e101 = load_x(_e100, input, _buffer_sizes);
                float _e102 = first_inside(_e101, _e99);
                shift = _e102;
            }
            At _e103 = at_of(_e89, _e14);
            Pack _e104 = load_x(_e103, input, _buffer_sizes);
            grad_0_ = metal::float4(0.0);
            if (EARLY) {
                Affine _e110 = affine_3.inner[0];
                At _e111 = at_of(_e89, _e14);
                Pack _e112 = row_gradient(_e104, _e110, _e111);
                Pack _e113 = masked(_e112, _e15);
                grad_0_ = _e113;
            }
            At _e114 = at_of(_e89, _e19);
            Pack _e115 = load_x(_e114, input, _buffer_sizes);
            grad_1_ = metal::float4(0.0);
            if (EARLY) {
                Affine _e121 = affine_3.inner[1];
                At _e122 = at_of(_e89, _e19);
                Pack _e123 = row_gradient(_e115, _e121, _e122);
                Pack _e124 = masked(_e123, _e20);
                grad_1_ = _e124;
            }
            shares = metal::float4(0.0);
            metal::float4 _e128 = shares;
            float _e129 = shift;
            Pack _e133 = masked((_e104 - metal::float4(_e129)) * share, _e15);
            shares = _e128 + _e133;
            metal::float4 _e135 = shares;
            float _e136 = shift;
            Pack _e140 = masked((_e115 - metal::float4(_e136)) * share, _e20);
            shares = _e135 + _e140;
            mean_1 = 0.0;
            if (CENTERED) {
                float _e145 = shift;
                metal::float4 _e146 = shares;
                float _e147 = pack_sum(_e146);
                float _e148 = team_sum(_e147, team_7, leaves, branches);
                float _e150 = first_inside(_e104, _e14);
                float _e151 = rounded(_e145 + _e148, _e150, params);
                mean_1 = _e151;
            }
            d_sum = metal::float4(0.0);
            measure_sum = metal::float4(0.0);
            down_sum = metal::float4(0.0);
            up_sum = metal::float4(0.0);
            g_sum = metal::float4(0.0);
            gd_sum = metal::float4(0.0);
            float _e170 = mean_1;
            Pack _e173 = masked(_e104 - metal::float4(_e170), _e15);
            d_0_ = _e173;
            metal::float4 _e175 = d_sum;
            Pack _e176 = d_0_;
            d_sum = _e175 + _e176;
            metal::float4 _e178 = measure_sum;
            Pack _e179 = d_0_;
            Pack _e180 = measure(_e179);
            measure_sum = _e178 + _e180;
            if (SCALED) {
                metal::float4 _e183 = down_sum;
                Pack _e184 = d_0_;
                Pack _e187 = measure(_e184 * DOWN);
                down_sum = _e183 + _e187;
                metal::float4 _e189 = up_sum;
                Pack _e190 = d_0_;
                Pack _e193 = measure(_e190 * UP);
                up_sum = _e189 + _e193;
            }
            if (EARLY) {
                if (false) {
                    uint _e200 = params.first;
                    AffineAt _e202 = row_affine_index(_e200 + _e85, _e14, params);
                    Affine _e203 = affine_at(_e202, params, weight_2, bias_1, _buffer_sizes);
                    affine_3.inner[0] = _e203;
                }
                metal::float4 _e204 = grad_0_;
                Pack _e207 = affine_3.inner[0].weight;
                Pack _e208 = apply_weight(_e204, _e207);
                metal::float4 _e209 = g_sum;
                g_sum = _e209 + _e208;
                metal::float4 _e211 = gd_sum;
                Pack _e212 = d_0_;
                gd_sum = _e211 + (_e208 * _e212);
            }
            float _e215 = mean_1;
            Pack _e218 = masked(_e115 - metal::float4(_e215), _e20);
            d_1_ = _e218;
            metal::float4 _e220 = d_sum;
            Pack _e221 = d_1_;
            d_sum = _e220 + _e221;
            metal::float4 _e223 = measure_sum;
            Pack _e224 = d_1_;
            Pack _e225 = measure(_e224);
            measure_sum = _e223 + _e225;
            if (SCALED) {
                metal::float4 _e228 = down_sum;
                Pack _e229 = d_1_;
                Pack _e232 = measure(_e229 * DOWN);
                down_sum = _e228 + _e232;
                metal::float4 _e234 = up_sum;
                Pack _e235 = d_1_;
                Pack _e238 = measure(_e235 * UP);
                up_sum = _e234 + _e238;
            }
            if (EARLY) {
                if (false) {
                    uint _e245 = params.first;
                    AffineAt _e247 = row_affine_index(_e245 + _e85, _e19, params);
                    Affine _e248 = affine_at(_e247, params, weight_2, bias_1, _buffer_sizes);
                    affine_3.inner[1] = _e248;
                }
                metal::float4 _e249 = grad_1_;
                Pack _e252 = affine_3.inner[1].weight;
                Pack _e253 = apply_weight(_e249, _e252);
                metal::float4 _e254 = g_sum;
                g_sum = _e254 + _e253;
                metal::float4 _e256 = gd_sum;
                Pack _e257 = d_1_;
                gd_sum = _e256 + (_e253 * _e257);
            }
            metal::float4 _e260 = d_sum;
            float _e261 = pack_sum(_e260);
            metal::float4 _e262 = measure_sum;
            float _e263 = pack_sum(_e262);
            metal::float4 _e264 = g_sum;
            float _e265 = pack_sum(_e264);
            metal::float4 _e266 = gd_sum;
            float _e267 = pack_sum(_e266);
            sums_2 = metal::float4(_e261, _e263, _e265, _e267);
            measured = metal::float3 {};
            if (SCALED) {
                metal::float4 _e273 = down_sum;
                float _e274 = pack_sum(_e273);
                float _e276 = sums_2.y;
                metal::float4 _e277 = up_sum;
                float _e278 = pack_sum(_e277);
                metal::float4 _e281 = team_sum4_(metal::float4(_e274, _e276, _e278, 0.0), team_7, leaves, branches);
                measured = _e281.xyz;
            } else {
                if (EARLY) {
                    metal::float4 _e284 = sums_2;
                    metal::float4 _e285 = team_sum4_(_e284, team_7, leaves, branches);
                    sums_2 = _e285;
                } else {
                    metal::float4 _e286 = sums_2;
                    metal::float2 _e288 = team_sum2_(_e286.xy, team_7, leaves, branches);
                    sums_2 = metal::float4(_e288, 0.0, 0.0);
                }
                float _e294 = sums_2.y;
                measured.y = _e294;
            }
            float _e296 = sums_2.x;
            float correction = CENTERED ? (_e296 / len) : 0.0;
            metal::float3 _e301 = measured;
            float _e302 = scale_of(_e301);
            metal::float3 _e303 = measured;
            float _e304 = at_scale(_e303, _e302);
            float _e308 = rstd_of((_e304 / len) - (correction * correction), len, _e302, params);
            Pack _e309 = d_0_;
            Pack y_0_ = ((_e309 - metal::float4(correction)) * _e302) * _e308;
            if (false) {
                local_3 = true;
            } else {
                local_3 = false;
            }
            bool _e319 = local_3;
            if (_e319) {
                uint _e323 = params.first;
                AffineAt _e325 = row_affine_index(_e323 + _e85, _e14, params);
                Affine _e326 = affine_at(_e325, params, weight_2, bias_1, _buffer_sizes);
                affine_3.inner[0] = _e326;
            }
            if (LATE) {
                Affine _e329 = affine_3.inner[0];
                At _e330 = at_of(_e89, _e14);
                Pack _e331 = row_gradient(y_0_, _e329, _e330);
                Pack _e332 = masked(_e331, _e15);
                grad_0_ = _e332;
                metal::float4 _e333 = grad_0_;
                Pack _e336 = affine_3.inner[0].weight;
                Pack _e337 = apply_weight(_e333, _e336);
                metal::float4 _e338 = g_sum;
                g_sum = _e338 + _e337;
                metal::float4 _e340 = gd_sum;
                Pack _e341 = d_0_;
                gd_sum = _e340 + (_e337 * (_e341 * _e302));
            }
            if (SUMS) {
                local_4 = false;
            } else {
                local_4 = false;
            }
            bool _e350 = local_4;
            if (_e350) {
                Pack _e352 = grad_sum.inner[0];
                metal::float4 _e355 = grad_0_;
                grad_sum.inner[0] = _e352 + (has_row ? _e355 : metal::float4(0.0));
                Pack _e359 = grad_y_sum.inner[0];
                metal::float4 _e362 = grad_0_;
                grad_y_sum.inner[0] = _e359 + (has_row ? (_e362 * y_0_) : metal::float4(0.0));
            }
            Pack _e366 = d_1_;
            Pack y_1_ = ((_e366 - metal::float4(correction)) * _e302) * _e308;
            if (false) {
                local_5 = true;
            } else {
                local_5 = false;
            }
            bool _e376 = local_5;
            if (_e376) {
                uint _e380 = params.first;
                AffineAt _e382 = row_affine_index(_e380 + _e85, _e19, params);
                Affine _e383 = affine_at(_e382, params, weight_2, bias_1, _buffer_sizes);
                affine_3.inner[1] = _e383;
            }
            if (LATE) {
                Affine _e386 = affine_3.inner[1];
                At _e387 = at_of(_e89, _e19);
                Pack _e388 = row_gradient(y_1_, _e386, _e387);
                Pack _e389 = masked(_e388, _e20);
                grad_1_ = _e389;
                metal::float4 _e390 = grad_1_;
                Pack _e393 = affine_3.inner[1].weight;
                Pack _e394 = apply_weight(_e390, _e393);
                metal::float4 _e395 = g_sum;
                g_sum = _e395 + _e394;
                metal::float4 _e397 = gd_sum;
                Pack _e398 = d_1_;
                gd_sum = _e397 + (_e394 * (_e398 * _e302));
            }
            if (SUMS) {
                local_6 = false;
            } else {
                local_6 = false;
            }
            bool _e407 = local_6;
            if (_e407) {
                Pack _e409 = grad_sum.inner[1];
                metal::float4 _e412 = grad_1_;
                grad_sum.inner[1] = _e409 + (has_row ? _e412 : metal::float4(0.0));
                Pack _e416 = grad_y_sum.inner[1];
                metal::float4 _e419 = grad_1_;
                grad_y_sum.inner[1] = _e416 + (has_row ? (_e419 * y_1_) : metal::float4(0.0));
            }
            coefficients = metal::float2 {};
            if (BACKWARD) {
                if (LATE) {
                    metal::float4 _e427 = sums_2;
                    metal::float4 _e429 = g_sum;
                    float _e430 = pack_sum(_e429);
                    metal::float4 _e431 = gd_sum;
                    float _e432 = pack_sum(_e431);
                    metal::float2 _e434 = team_sum2_(metal::float2(_e430, _e432), team_7, leaves, branches);
                    sums_2 = metal::float4(_e427.xy, _e434);
                }
                float _e437 = sums_2.w;
                float _e439 = sums_2.z;
                float gy_sum = (_e437 - (correction * _e439)) * _e308;
                float _e444 = sums_2.z;
                float _e449 = product_share(len, _e308, _e302);
                coefficients = metal::float2(CENTERED ? (_e444 / len) : 0.0, gy_sum * _e449);
            }
            next_rstd = 0.0;
            if (NEXT) {
                power_1 = metal::float4(0.0);
                Affine _e459 = affine_3.inner[0];
                At _e460 = at_of(_e89, _e14);
                Pack _e461 = output_of(y_0_, _e459, _e460);
                Pack _e462 = masked(_e461, _e15);
                d_0_ = _e462;
                metal::float4 _e463 = power_1;
                Pack _e464 = d_0_;
                Pack _e465 = measure(_e464);
                power_1 = _e463 + _e465;
                Affine _e468 = affine_3.inner[1];
                At _e469 = at_of(_e89, _e19);
                Pack _e470 = output_of(y_1_, _e468, _e469);
                Pack _e471 = masked(_e470, _e20);
                d_1_ = _e471;
                metal::float4 _e472 = power_1;
                Pack _e473 = d_1_;
                Pack _e474 = measure(_e473);
                power_1 = _e472 + _e474;
                metal::float4 _e476 = power_1;
                float _e477 = pack_sum(_e476);
                float _e478 = team_sum(_e477, team_7, leaves, branches);
                float _e481 = rstd_of(_e478 / len, len, 1.0, params);
                next_rstd = _e481;
            }
            if (QUANTIZED) {
                peak_3 = type_13 {};
                factor_1 = type_14 {};
                Affine _e488 = affine_3.inner[0];
                At _e489 = at_of(_e89, _e14);
                Pack _e490 = output_of(y_0_, _e488, _e489);
                d_0_ = _e490;
                Pack _e491 = d_0_;
                int _e492 = pack_peak(_e491);
                int own_0_ = _e12 ? _e492 : 0;
                int _e497 = peak_3.inner[0];
                peak_3.inner[0] = metal::max(_e497, own_0_);
                Affine _e500 = affine_3.inner[1];
                At _e501 = at_of(_e89, _e19);
                Pack _e502 = output_of(y_1_, _e500, _e501);
                d_1_ = _e502;
                Pack _e503 = d_1_;
                int _e504 = pack_peak(_e503);
                int own_1_ = _e17 ? _e504 : 0;
                int _e509 = peak_3.inner[1];
                peak_3.inner[1] = metal::max(_e509, own_1_);
                if (true) {
                    int _e513 = peak_3.inner[0];
                    int _e514 = peak_of_block(_e513, team_7);
                    float _e516 = quantized_factor(_e514);
                    factor_1.inner[0] = _e516;
                    if (has_row) {
                        local_7 = _e12;
                    } else {
                        local_7 = false;
                    }
                    bool _e520 = local_7;
                    if (_e520) {
                        uint _e523 = params.first;
                        put_quantized_scale(_e523 + _e85, _e14, team_7.lane, _e514);
                    }
                }
                if (true) {
                    int _e528 = peak_3.inner[1];
                    int _e529 = peak_of_block(_e528, team_7);
                    float _e531 = quantized_factor(_e529);
                    factor_1.inner[1] = _e531;
                    if (has_row) {
                        local_8 = _e17;
                    } else {
                        local_8 = false;
                    }
                    bool _e535 = local_8;
                    if (_e535) {
                        uint _e538 = params.first;
                        put_quantized_scale(_e538 + _e85, _e19, team_7.lane, _e529);
                    }
                }
                if (has_row) {
                    if (_e12) {
                        uint _e543 = params.first;
                        Pack _e546 = d_0_;
                        float _e548 = factor_1.inner[0];
                        put_quantized(_e543 + _e85, _e14, 0u, _e546, _e548);
                    }
                    if (_e17) {
                        uint _e551 = params.first;
                        Pack _e554 = d_1_;
                        float _e556 = factor_1.inner[1];
                        put_quantized(_e551 + _e85, _e19, 1u, _e554, _e556);
                    }
                }
            }
            if (has_row) {
                if (_e12) {
                    if (SUMS) {
                        local_9 = SUMS_BRANCH;
                    } else {
                        local_9 = false;
                    }
                    bool _e562 = local_9;
                    if (_e562) {
                        Pack _e564 = grad_sum.inner[0];
                        metal::float4 _e565 = grad_0_;
                        grad_sum.inner[0] = _e564 + _e565;
                        Pack _e568 = grad_y_sum.inner[0];
                        metal::float4 _e569 = grad_0_;
                        grad_y_sum.inner[0] = _e568 + (_e569 * y_0_);
                    }
                    metal::float4 _e572 = grad_0_;
                    Pack _e575 = affine_3.inner[0].weight;
                    Pack _e576 = apply_weight(_e572, _e575);
                    if (NEXT) {
                        if (false) {
                            uint _e582 = params.first;
                            AffineAt _e584 = row_affine_index(_e582 + _e85, _e14, params);
                            NextWeight _e585 = next_weight_at(_e584);
                            next.inner[0] = _e585;
                        }
                        At _e586 = at_of(_e89, _e14);
                        Pack _e587 = d_0_;
                        Pack _e588 = d_0_;
                        float _e589 = next_rstd;
                        NextWeight _e592 = next.inner[0];
                        finish_both(_e586, _e104, _e587, _e588 * _e589, _e592);
                    } else {
                        At _e593 = at_of(_e89, _e14);
                        Affine _e595 = affine_3.inner[0];
                        float _e597 = coefficients.x;
                        Pack _e600 = measure_derivative(y_0_);
                        float _e602 = coefficients.y;
                        finish(_e593, _e595, _e104, y_0_, (((_e576 - metal::float4(_e597)) - (_e600 * _e602)) * _e308) * _e302, output_1, _buffer_sizes);
                    }
                }
                if (_e17) {
                    if (SUMS) {
                        local_10 = SUMS_BRANCH;
                    } else {
                        local_10 = false;
                    }
                    bool _e612 = local_10;
                    if (_e612) {
                        Pack _e614 = grad_sum.inner[1];
                        metal::float4 _e615 = grad_1_;
                        grad_sum.inner[1] = _e614 + _e615;
                        Pack _e618 = grad_y_sum.inner[1];
                        metal::float4 _e619 = grad_1_;
                        grad_y_sum.inner[1] = _e618 + (_e619 * y_1_);
                    }
                    metal::float4 _e622 = grad_1_;
                    Pack _e625 = affine_3.inner[1].weight;
                    Pack _e626 = apply_weight(_e622, _e625);
                    if (NEXT) {
                        if (false) {
                            uint _e632 = params.first;
                            AffineAt _e634 = row_affine_index(_e632 + _e85, _e19, params);
                            NextWeight _e635 = next_weight_at(_e634);
                            next.inner[1] = _e635;
                        }
                        At _e636 = at_of(_e89, _e19);
                        Pack _e637 = d_1_;
                        Pack _e638 = d_1_;
                        float _e639 = next_rstd;
                        NextWeight _e642 = next.inner[1];
                        finish_both(_e636, _e115, _e637, _e638 * _e639, _e642);
                    } else {
                        At _e643 = at_of(_e89, _e19);
                        Affine _e645 = affine_3.inner[1];
                        float _e647 = coefficients.x;
                        Pack _e650 = measure_derivative(y_1_);
                        float _e652 = coefficients.y;
                        finish(_e643, _e645, _e115, y_1_, (((_e626 - metal::float4(_e647)) - (_e650 * _e652)) * _e308) * _e302, output_1, _buffer_sizes);
                    }
                }
                if (team_7.lane == 0u) {
                    uint _e662 = params.first;
                    float _e664 = mean_1;
                    save(_e662 + _e85, _e664, correction, _e308, _e302);
                }
            }
        }
    }
    if (SUMS) {
        uint _e674 = params.teams;
        local_11 = team_7.index < _e674;
    } else {
        local_11 = false;
    }
    bool _e677 = local_11;
    if (_e677) {
        bool _e679 = in_row(0u, team_7, params);
        if (_e679) {
            uint _e682 = params.first_partial;
            uint _e686 = params.elements;
            uint to = _e682 + (team_7.index * _e686);
            Column _e690 = column_of(0u, team_7, params);
            Pack _e692 = grad_sum.inner[0];
            Pack _e694 = grad_y_sum.inner[0];
            put_partial_sums(to, _e690, _e692, _e694);
        }
        bool _e696 = in_row(1u, team_7, params);
        if (_e696) {
            uint _e699 = params.first_partial;
            uint _e703 = params.elements;
            uint to_1 = _e699 + (team_7.index * _e703);
            Column _e707 = column_of(1u, team_7, params);
            Pack _e709 = grad_sum.inner[1];
            Pack _e711 = grad_y_sum.inner[1];
            put_partial_sums(to_1, _e707, _e709, _e711);
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
