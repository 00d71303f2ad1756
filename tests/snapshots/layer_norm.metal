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

metal::float4 load_weight(
    uint i_2,
    device type_8 const& weight_2,
    constant _mslBufferSizes& _buffer_sizes
) {
    metal::float4 _e3 = weight_2[i_2];
    return _e3;
}

Pack weight_at(
    AffineAt i_3,
    constant Params& params,
    device type_8 const& weight_2,
    constant _mslBufferSizes& _buffer_sizes
) {
    metal::float4 _e1 = load_weight(i_3, weight_2, _buffer_sizes);
    float _e4 = params.weight_offset;
    return _e1 + metal::float4(_e4);
}

metal::float4 load_bias(
    uint i_4,
    device type_8 const& bias_1,
    constant _mslBufferSizes& _buffer_sizes
) {
    metal::float4 _e3 = bias_1[i_4];
    return _e3;
}

Pack bias_at(
    AffineAt i_5,
    device type_8 const& bias_1,
    constant _mslBufferSizes& _buffer_sizes
) {
    metal::float4 _e1 = load_bias(i_5, bias_1, _buffer_sizes);
    return _e1;
}

Affine affine_at(
    AffineAt i_6,
    constant Params& params,
    device type_8 const& weight_2,
    device type_8 const& bias_1,
    constant _mslBufferSizes& _buffer_sizes
) {
    Pack _e1 = weight_at(i_6, params, weight_2, _buffer_sizes);
    Pack _e2 = bias_at(i_6, bias_1, _buffer_sizes);
    return Affine {_e1, _e2};
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

uint row_of(
    uint i_7
) {
    return i_7;
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
        uint _e25 = params.first;
        uint _e29 = params.rows;
        uint _e33 = row_of(metal::min(team_6.index, _e29 - 1u));
        Column _e36 = column_of(0u, team_6, params);
        AffineAt _e37 = row_affine_index(_e25 + _e33, _e36, params);
        Affine _e38 = affine_at(_e37, params, weight_2, bias_1, _buffer_sizes);
        affine_3.inner[0] = _e38;
        if (NEXT) {
            uint _e43 = params.first;
            uint _e47 = params.rows;
            uint _e51 = row_of(metal::min(team_6.index, _e47 - 1u));
            Column _e54 = column_of(0u, team_6, params);
            AffineAt _e55 = row_affine_index(_e43 + _e51, _e54, params);
            NextWeight _e56 = next_weight_at(_e55);
            next.inner[0] = _e56;
        }
        uint _e60 = params.first;
        uint _e64 = params.rows;
        uint _e68 = row_of(metal::min(team_6.index, _e64 - 1u));
        Column _e71 = column_of(1u, team_6, params);
        AffineAt _e72 = row_affine_index(_e60 + _e68, _e71, params);
        Affine _e73 = affine_at(_e72, params, weight_2, bias_1, _buffer_sizes);
        affine_3.inner[1] = _e73;
        if (NEXT) {
            uint _e78 = params.first;
            uint _e82 = params.rows;
            uint _e86 = row_of(metal::min(team_6.index, _e82 - 1u));
            Column _e89 = column_of(1u, team_6, params);
            AffineAt _e90 = row_affine_index(_e78 + _e86, _e89, params);
            NextWeight _e91 = next_weight_at(_e90);
            next.inner[1] = _e91;
        }
    }
    uint2 loop_bound_2 = uint2(4294967295u);
    bool loop_init_2 = true;
    while(true) {
        if (metal::all(loop_bound_2 == uint2(0u))) { break; }
        loop_bound_2 -= uint2(loop_bound_2.y == 0u, 1u);
        if (!loop_init_2) {
            uint _e703 = round;
            round = _e703 + 1u;
        }
        loop_init_2 = false;
        uint _e94 = round;
        uint _e97 = params.rows_per_team;
        if (_e94 < _e97) {
        } else {
            break;
        }
        {
            uint _e99 = round;
            uint _e102 = params.teams;
            uint index = (_e99 * _e102) + team_6.index;
            uint _e109 = params.teams;
            if (team_6.index < _e109) {
                uint _e115 = params.rows;
                local_2 = index < _e115;
            } else {
                local_2 = false;
            }
            bool has_row = local_2;
            uint _e121 = params.rows;
            uint _e125 = row_of(metal::min(index, _e121 - 1u));
            uint _e128 = params.stride;
            First _e129 = first_of(_e125, _e128);
            shift = 0.0;
            if (true) {
                Column _e139 = column_of_lane(0u, 0u, 1u, true, team_6.index, false);
                At _e140 = at_of(_e129, _e139);
                Pack _e141 = load_x(_e140, input, _buffer_sizes);
                float _e142 = first_inside(_e141, _e139);
                shift = _e142;
            }
            At _e143 = at_of(_e129, _e10);
            Pack _e144 = load_x(_e143, input, _buffer_sizes);
            grad_0_ = metal::float4(0.0);
            if (EARLY) {
                Affine _e150 = affine_3.inner[0];
                At _e151 = at_of(_e129, _e10);
                Pack _e152 = row_gradient(_e144, _e150, _e151);
                Pack _e153 = masked(_e152, _e11);
                grad_0_ = _e153;
            }
            At _e154 = at_of(_e129, _e15);
            Pack _e155 = load_x(_e154, input, _buffer_sizes);
            grad_1_ = metal::float4(0.0);
            if (EARLY) {
                Affine _e161 = affine_3.inner[1];
                At _e162 = at_of(_e129, _e15);
                Pack _e163 = row_gradient(_e155, _e161, _e162);
                Pack _e164 = masked(_e163, _e16);
                grad_1_ = _e164;
            }
            shares = metal::float4(0.0);
            metal::float4 _e168 = shares;
            float _e169 = shift;
            Pack _e173 = masked((_e144 - metal::float4(_e169)) * share, _e11);
            shares = _e168 + _e173;
            metal::float4 _e175 = shares;
            float _e176 = shift;
            Pack _e180 = masked((_e155 - metal::float4(_e176)) * share, _e16);
            shares = _e175 + _e180;
            mean_1 = 0.0;
            if (CENTERED) {
                float _e185 = shift;
                metal::float4 _e186 = shares;
                float _e187 = pack_sum(_e186);
                float _e188 = team_sum(_e187, team_6, leaves, branches);
                float _e190 = first_inside(_e144, _e10);
                float _e191 = rounded(_e185 + _e188, _e190, params);
                mean_1 = _e191;
            }
            d_sum = metal::float4(0.0);
            measure_sum = metal::float4(0.0);
            down_sum = metal::float4(0.0);
            up_sum = metal::float4(0.0);
            g_sum = metal::float4(0.0);
            gd_sum = metal::float4(0.0);
            float _e210 = mean_1;
            Pack _e213 = masked(_e144 - metal::float4(_e210), _e11);
            d_0_ = _e213;
            metal::float4 _e215 = d_sum;
            Pack _e216 = d_0_;
            d_sum = _e215 + _e216;
            metal::float4 _e218 = measure_sum;
            Pack _e219 = d_0_;
            Pack _e220 = measure(_e219);
            measure_sum = _e218 + _e220;
            if (SCALED) {
                metal::float4 _e223 = down_sum;
                Pack _e224 = d_0_;
                Pack _e227 = measure(_e224 * DOWN);
                down_sum = _e223 + _e227;
                metal::float4 _e229 = up_sum;
                Pack _e230 = d_0_;
                Pack _e233 = measure(_e230 * UP);
                up_sum = _e229 + _e233;
            }
            if (EARLY) {
                if (false) {
                    uint _e240 = params.first;
                    AffineAt _e242 = row_affine_index(_e240 + _e125, _e10, params);
                    Affine _e243 = affine_at(_e242, params, weight_2, bias_1, _buffer_sizes);
                    affine_3.inner[0] = _e243;
                }
                metal::float4 _e244 = grad_0_;
                Pack _e247 = affine_3.inner[0].weight;
                Pack _e248 = apply_weight(_e244, _e247);
                metal::float4 _e249 = g_sum;
                g_sum = _e249 + _e248;
                metal::float4 _e251 = gd_sum;
                Pack _e252 = d_0_;
                gd_sum = _e251 + (_e248 * _e252);
            }
            float _e255 = mean_1;
            Pack _e258 = masked(_e155 - metal::float4(_e255), _e16);
            d_1_ = _e258;
            metal::float4 _e260 = d_sum;
            Pack _e261 = d_1_;
            d_sum = _e260 + _e261;
            metal::float4 _e263 = measure_sum;
            Pack _e264 = d_1_;
            Pack _e265 = measure(_e264);
            measure_sum = _e263 + _e265;
            if (SCALED) {
                metal::float4 _e268 = down_sum;
                Pack _e269 = d_1_;
                Pack _e272 = measure(_e269 * DOWN);
                down_sum = _e268 + _e272;
                metal::float4 _e274 = up_sum;
                Pack _e275 = d_1_;
                Pack _e278 = measure(_e275 * UP);
                up_sum = _e274 + _e278;
            }
            if (EARLY) {
                if (false) {
                    uint _e285 = params.first;
                    AffineAt _e287 = row_affine_index(_e285 + _e125, _e15, params);
                    Affine _e288 = affine_at(_e287, params, weight_2, bias_1, _buffer_sizes);
                    affine_3.inner[1] = _e288;
                }
                metal::float4 _e289 = grad_1_;
                Pack _e292 = affine_3.inner[1].weight;
                Pack _e293 = apply_weight(_e289, _e292);
                metal::float4 _e294 = g_sum;
                g_sum = _e294 + _e293;
                metal::float4 _e296 = gd_sum;
                Pack _e297 = d_1_;
                gd_sum = _e296 + (_e293 * _e297);
            }
            metal::float4 _e300 = d_sum;
            float _e301 = pack_sum(_e300);
            metal::float4 _e302 = measure_sum;
            float _e303 = pack_sum(_e302);
            metal::float4 _e304 = g_sum;
            float _e305 = pack_sum(_e304);
            metal::float4 _e306 = gd_sum;
            float _e307 = pack_sum(_e306);
            sums_2 = metal::float4(_e301, _e303, _e305, _e307);
            measured = metal::float3 {};
            if (SCALED) {
                metal::float4 _e313 = down_sum;
                float _e314 = pack_sum(_e313);
                float _e316 = sums_2.y;
                metal::float4 _e317 = up_sum;
                float _e318 = pack_sum(_e317);
                metal::float4 _e321 = team_sum4_(metal::float4(_e314, _e316, _e318, 0.0), team_6, leaves, branches);
                measured = _e321.xyz;
            } else {
                if (EARLY) {
                    metal::float4 _e324 = sums_2;
                    metal::float4 _e325 = team_sum4_(_e324, team_6, leaves, branches);
                    sums_2 = _e325;
                } else {
                    metal::float4 _e326 = sums_2;
                    metal::float2 _e328 = team_sum2_(_e326.xy, team_6, leaves, branches);
                    sums_2 = metal::float4(_e328, 0.0, 0.0);
                }
                float _e334 = sums_2.y;
                measured.y = _e334;
            }
            float _e336 = sums_2.x;
            float correction = CENTERED ? (_e336 / len) : 0.0;
            metal::float3 _e341 = measured;
            float _e342 = scale_of(_e341);
            metal::float3 _e343 = measured;
            float _e344 = at_scale(_e343, _e342);
            float _e348 = rstd_of((_e344 / len) - (correction * correction), len, _e342, params);
            Pack _e349 = d_0_;
            Pack y_0_ = ((_e349 - metal::float4(correction)) * _e342) * _e348;
            if (false) {
                local_3 = true;
            } else {
                local_3 = false;
            }
            bool _e359 = local_3;
            if (_e359) {
                uint _e363 = params.first;
                AffineAt _e365 = row_affine_index(_e363 + _e125, _e10, params);
                Affine _e366 = affine_at(_e365, params, weight_2, bias_1, _buffer_sizes);
                affine_3.inner[0] = _e366;
            }
            if (LATE) {
                Affine _e369 = affine_3.inner[0];
                At _e370 = at_of(_e129, _e10);
                Pack _e371 = row_gradient(y_0_, _e369, _e370);
                Pack _e372 = masked(_e371, _e11);
                grad_0_ = _e372;
                metal::float4 _e373 = grad_0_;
                Pack _e376 = affine_3.inner[0].weight;
                Pack _e377 = apply_weight(_e373, _e376);
                metal::float4 _e378 = g_sum;
                g_sum = _e378 + _e377;
                metal::float4 _e380 = gd_sum;
                Pack _e381 = d_0_;
                gd_sum = _e380 + (_e377 * (_e381 * _e342));
            }
            if (SUMS) {
                local_4 = false;
            } else {
                local_4 = false;
            }
            bool _e390 = local_4;
            if (_e390) {
                Pack _e392 = grad_sum.inner[0];
                metal::float4 _e395 = grad_0_;
                grad_sum.inner[0] = _e392 + (has_row ? _e395 : metal::float4(0.0));
                Pack _e399 = grad_y_sum.inner[0];
                metal::float4 _e402 = grad_0_;
                grad_y_sum.inner[0] = _e399 + (has_row ? (_e402 * y_0_) : metal::float4(0.0));
            }
            Pack _e406 = d_1_;
            Pack y_1_ = ((_e406 - metal::float4(correction)) * _e342) * _e348;
            if (false) {
                local_5 = true;
            } else {
                local_5 = false;
            }
            bool _e416 = local_5;
            if (_e416) {
                uint _e420 = params.first;
                AffineAt _e422 = row_affine_index(_e420 + _e125, _e15, params);
                Affine _e423 = affine_at(_e422, params, weight_2, bias_1, _buffer_sizes);
                affine_3.inner[1] = _e423;
            }
            if (LATE) {
                Affine _e426 = affine_3.inner[1];
                At _e427 = at_of(_e129, _e15);
                Pack _e428 = row_gradient(y_1_, _e426, _e427);
                Pack _e429 = masked(_e428, _e16);
                grad_1_ = _e429;
                metal::float4 _e430 = grad_1_;
                Pack _e433 = affine_3.inner[1].weight;
                Pack _e434 = apply_weight(_e430, _e433);
                metal::float4 _e435 = g_sum;
                g_sum = _e435 + _e434;
                metal::float4 _e437 = gd_sum;
                Pack _e438 = d_1_;
                gd_sum = _e437 + (_e434 * (_e438 * _e342));
            }
            if (SUMS) {
                local_6 = false;
            } else {
                local_6 = false;
            }
            bool _e447 = local_6;
            if (_e447) {
                Pack _e449 = grad_sum.inner[1];
                metal::float4 _e452 = grad_1_;
                grad_sum.inner[1] = _e449 + (has_row ? _e452 : metal::float4(0.0));
                Pack _e456 = grad_y_sum.inner[1];
                metal::float4 _e459 = grad_1_;
                grad_y_sum.inner[1] = _e456 + (has_row ? (_e459 * y_1_) : metal::float4(0.0));
            }
            coefficients = metal::float2 {};
            if (BACKWARD) {
                if (LATE) {
                    metal::float4 _e467 = sums_2;
                    metal::float4 _e469 = g_sum;
                    float _e470 = pack_sum(_e469);
                    metal::float4 _e471 = gd_sum;
                    float _e472 = pack_sum(_e471);
                    metal::float2 _e474 = team_sum2_(metal::float2(_e470, _e472), team_6, leaves, branches);
                    sums_2 = metal::float4(_e467.xy, _e474);
                }
                float _e477 = sums_2.w;
                float _e479 = sums_2.z;
                float gy_sum = (_e477 - (correction * _e479)) * _e348;
                float _e484 = sums_2.z;
                float _e489 = product_share(len, _e348, _e342);
                coefficients = metal::float2(CENTERED ? (_e484 / len) : 0.0, gy_sum * _e489);
            }
            next_rstd = 0.0;
            if (NEXT) {
                power_1 = metal::float4(0.0);
                Affine _e499 = affine_3.inner[0];
                At _e500 = at_of(_e129, _e10);
                Pack _e501 = output_of(y_0_, _e499, _e500);
                Pack _e502 = masked(_e501, _e11);
                d_0_ = _e502;
                metal::float4 _e503 = power_1;
                Pack _e504 = d_0_;
                Pack _e505 = measure(_e504);
                power_1 = _e503 + _e505;
                Affine _e508 = affine_3.inner[1];
                At _e509 = at_of(_e129, _e15);
                Pack _e510 = output_of(y_1_, _e508, _e509);
                Pack _e511 = masked(_e510, _e16);
                d_1_ = _e511;
                metal::float4 _e512 = power_1;
                Pack _e513 = d_1_;
                Pack _e514 = measure(_e513);
                power_1 = _e512 + _e514;
                metal::float4 _e516 = power_1;
                float _e517 = pack_sum(_e516);
                float _e518 = team_sum(_e517, team_6, leaves, branches);
                float _e521 = rstd_of(_e518 / len, len, 1.0, params);
                next_rstd = _e521;
            }
            if (QUANTIZED) {
                peak_3 = type_13 {};
                factor_1 = type_14 {};
                Affine _e528 = affine_3.inner[0];
                At _e529 = at_of(_e129, _e10);
                Pack _e530 = output_of(y_0_, _e528, _e529);
                d_0_ = _e530;
                Pack _e531 = d_0_;
                int _e532 = pack_peak(_e531);
                int own_0_ = _e8 ? _e532 : 0;
                int _e537 = peak_3.inner[0];
                peak_3.inner[0] = metal::max(_e537, own_0_);
                Affine _e540 = affine_3.inner[1];
                At _e541 = at_of(_e129, _e15);
                Pack _e542 = output_of(y_1_, _e540, _e541);
                d_1_ = _e542;
                Pack _e543 = d_1_;
                int _e544 = pack_peak(_e543);
                int own_1_ = _e13 ? _e544 : 0;
                int _e549 = peak_3.inner[1];
                peak_3.inner[1] = metal::max(_e549, own_1_);
                if (true) {
                    int _e553 = peak_3.inner[0];
                    int _e554 = peak_of_block(_e553, team_6);
                    float _e556 = quantized_factor(_e554);
                    factor_1.inner[0] = _e556;
                    if (has_row) {
                        local_7 = _e8;
                    } else {
                        local_7 = false;
                    }
                    bool _e560 = local_7;
                    if (_e560) {
                        uint _e563 = params.first;
                        put_quantized_scale(_e563 + _e125, _e10, team_6.lane, _e554);
                    }
                }
                if (true) {
                    int _e568 = peak_3.inner[1];
                    int _e569 = peak_of_block(_e568, team_6);
                    float _e571 = quantized_factor(_e569);
                    factor_1.inner[1] = _e571;
                    if (has_row) {
                        local_8 = _e13;
                    } else {
                        local_8 = false;
                    }
                    bool _e575 = local_8;
                    if (_e575) {
                        uint _e578 = params.first;
                        put_quantized_scale(_e578 + _e125, _e15, team_6.lane, _e569);
                    }
                }
                if (has_row) {
                    if (_e8) {
                        uint _e583 = params.first;
                        Pack _e585 = d_0_;
                        float _e587 = factor_1.inner[0];
                        put_quantized(_e583 + _e125, _e10, _e585, _e587);
                    }
                    if (_e13) {
                        uint _e590 = params.first;
                        Pack _e592 = d_1_;
                        float _e594 = factor_1.inner[1];
                        put_quantized(_e590 + _e125, _e15, _e592, _e594);
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
                    bool _e600 = local_9;
                    if (_e600) {
                        Pack _e602 = grad_sum.inner[0];
                        metal::float4 _e603 = grad_0_;
                        grad_sum.inner[0] = _e602 + _e603;
                        Pack _e606 = grad_y_sum.inner[0];
                        metal::float4 _e607 = grad_0_;
                        grad_y_sum.inner[0] = _e606 + (_e607 * y_0_);
                    }
                    metal::float4 _e610 = grad_0_;
                    Pack _e613 = affine_3.inner[0].weight;
                    Pack _e614 = apply_weight(_e610, _e613);
                    if (NEXT) {
                        if (false) {
                            uint _e620 = params.first;
                            AffineAt _e622 = row_affine_index(_e620 + _e125, _e10, params);
                            NextWeight _e623 = next_weight_at(_e622);
                            next.inner[0] = _e623;
                        }
                        At _e624 = at_of(_e129, _e10);
                        Pack _e625 = d_0_;
                        Pack _e626 = d_0_;
                        float _e627 = next_rstd;
                        NextWeight _e630 = next.inner[0];
                        finish_both(_e624, _e144, _e625, _e626 * _e627, _e630);
                    } else {
                        At _e631 = at_of(_e129, _e10);
                        Affine _e633 = affine_3.inner[0];
                        float _e635 = coefficients.x;
                        Pack _e638 = measure_derivative(y_0_);
                        float _e640 = coefficients.y;
                        finish(_e631, _e633, _e144, y_0_, (((_e614 - metal::float4(_e635)) - (_e638 * _e640)) * _e348) * _e342, output_1, _buffer_sizes);
                    }
                }
                if (_e13) {
                    if (SUMS) {
                        local_10 = SUMS_BRANCH;
                    } else {
                        local_10 = false;
                    }
                    bool _e650 = local_10;
                    if (_e650) {
                        Pack _e652 = grad_sum.inner[1];
                        metal::float4 _e653 = grad_1_;
                        grad_sum.inner[1] = _e652 + _e653;
                        Pack _e656 = grad_y_sum.inner[1];
                        metal::float4 _e657 = grad_1_;
                        grad_y_sum.inner[1] = _e656 + (_e657 * y_1_);
                    }
                    metal::float4 _e660 = grad_1_;
                    Pack _e663 = affine_3.inner[1].weight;
                    Pack _e664 = apply_weight(_e660, _e663);
                    if (NEXT) {
                        if (false) {
                            uint _e670 = params.first;
                            AffineAt _e672 = row_affine_index(_e670 + _e125, _e15, params);
                            NextWeight _e673 = next_weight_at(_e672);
                            next.inner[1] = _e673;
                        }
                        At _e674 = at_of(_e129, _e15);
                        Pack _e675 = d_1_;
                        Pack _e676 = d_1_;
                        float _e677 = next_rstd;
                        NextWeight _e680 = next.inner[1];
                        finish_both(_e674, _e155, _e675, _e676 * _e677, _e680);
                    } else {
                        At _e681 = at_of(_e129, _e15);
                        Affine _e683 = affine_3.inner[1];
                        float _e685 = coefficients.x;
                        Pack _e688 = measure_derivative(y_1_);
                        float _e690 = coefficients.y;
                        finish(_e681, _e683, _e155, y_1_, (((_e664 - metal::float4(_e685)) - (_e688 * _e690)) * _e348) * _e342, output_1, _buffer_sizes);
                    }
                }
                if (team_6.lane == 0u) {
                    uint _e700 = params.first;
                    float _e702 = mean_1;
                    save(_e700 + _e125, _e702, correction, _e348, _e342);
                }
            }
        }
    }
    if (SUMS) {
        uint _e712 = params.teams;
        local_11 = team_6.index < _e712;
    } else {
        local_11 = false;
    }
    bool _e715 = local_11;
    if (_e715) {
        bool _e717 = in_row(0u, team_6, params);
        if (_e717) {
            uint _e720 = params.first_partial;
            uint _e724 = params.elements;
            uint to = _e720 + (team_6.index * _e724);
            Column _e728 = column_of(0u, team_6, params);
            Pack _e730 = grad_sum.inner[0];
            Pack _e732 = grad_y_sum.inner[0];
            put_partial_sums(to, _e728, _e730, _e732);
        }
        bool _e734 = in_row(1u, team_6, params);
        if (_e734) {
            uint _e737 = params.first_partial;
            uint _e741 = params.elements;
            uint to_1 = _e737 + (team_6.index * _e741);
            Column _e745 = column_of(1u, team_6, params);
            Pack _e747 = grad_sum.inner[1];
            Pack _e749 = grad_y_sum.inner[1];
            put_partial_sums(to_1, _e745, _e747, _e749);
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
