// language: metal2.4
#include <metal_stdlib>
#include <simd/simd.h>

using metal::uint;

struct _mslBufferSizes {
    uint size0;
    uint size1;
};

typedef metal::float4 type_3[1];
typedef metal::float4 Pack;
typedef uint At;
typedef float Real;
typedef uint Bits;
struct Params {
    uint groups;
    uint reduced;
    uint kept;
    uint packs;
    uint input_packs;
    uint splits;
    uint first_partial;
    uint partial_stride;
    uint zero;
};
struct Pair {
    Real hi;
    Real lo;
};
struct Team {
    uint index;
    uint lane;
    uint lanes;
};
struct type_7 {
    metal::float2 inner[256];
};
struct type_8 {
    metal::float2 inner[16];
};
constant uint WORKGROUP_SIZE = 256u;
constant uint BLOCK = 4u;
constant uint PACK = 4u;
constant uint FAN_IN = 16u;

metal::float4 load_input(
    uint i,
    device type_3 const& input,
    constant _mslBufferSizes& _buffer_sizes
) {
    metal::float4 _e3 = input[i];
    return _e3;
}

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

float pack_component(
    Pack v_2,
    uint i_1
) {
    return v_2[i_1];
}

Pack pack_nan_of(
    Pack u,
    Pack v_3
) {
    return metal::select(v_3, u, (as_type<metal::uint4>(u) & metal::uint4(2147483647u)) > metal::uint4(2139095040u));
}

At column_at(
    uint pack
) {
    return pack;
}

uint number_of(
    At column
) {
    return column;
}

uint first_of(
    uint row,
    uint stride
) {
    return row * stride;
}

At at_of(
    uint first,
    At column_1
) {
    return first + column_1;
}

float first_inside(
    Pack v_4,
    At column_2
) {
    float _e2 = pack_first(v_4);
    return _e2;
}

uint element_of(
    At column_3,
    uint i_2
) {
    return (column_3 * PACK) + i_2;
}

float elements_of(
    uint packs
) {
    return static_cast<float>(packs * PACK);
}

metal::uint4 indices_of(
    At column_4
) {
    return metal::uint4(column_4 * 4u) + metal::uint4(0u, 1u, 2u, 3u);
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

Bits bits_of(
    Real v_5
) {
    return as_type<uint>(v_5);
}

Real real_of(
    Bits bits
) {
    return as_type<float>(bits);
}

Real opaque(
    Real v_6,
    constant Params& params
) {
    Bits _e1 = bits_of(v_6);
    uint _e4 = params.zero;
    Real _e7 = real_of(_e1 ^ static_cast<uint>(_e4));
    return _e7;
}

Pair two_sum(
    Real a,
    Real b,
    constant Params& params
) {
    Real _e3 = opaque(a + b, params);
    Real _e5 = opaque(_e3 - a, params);
    Real _e7 = opaque(_e3 - _e5, params);
    return Pair {_e3, (a - _e7) + (b - _e5)};
}

metal::float2 team_sum2_(
    metal::float2 v_7,
    Team team,
    threadgroup type_7& leaves,
    threadgroup type_8& branches
) {
    metal::float2 sum = {};
    uint i_3 = 1u;
    metal::float2 total = {};
    uint i_4 = 1u;
    leaves.inner[team.lane] = v_7;
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
                uint _e27 = i_3;
                i_3 = _e27 + 1u;
            }
            loop_init = false;
            uint _e15 = i_3;
            if (_e15 < FAN_IN) {
            } else {
                break;
            }
            {
                metal::float2 _e18 = sum;
                uint _e21 = i_3;
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
            uint _e48 = i_4;
            i_4 = _e48 + 1u;
        }
        loop_init_1 = false;
        uint _e40 = i_4;
        if (_e40 < 16u) {
        } else {
            break;
        }
        {
            metal::float2 _e42 = total;
            uint _e44 = i_4;
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
    threadgroup type_7& leaves,
    threadgroup type_8& branches
) {
    metal::float2 _e4 = team_sum2_(metal::float2(v_8, 0.0), team_1, leaves, branches);
    return _e4.x;
}

metal::float4 team_sum4_(
    metal::float4 v_9,
    Team team_2,
    threadgroup type_7& leaves,
    threadgroup type_8& branches
) {
    metal::float2 _e3 = team_sum2_(v_9.xy, team_2, leaves, branches);
    metal::float2 _e5 = team_sum2_(v_9.zw, team_2, leaves, branches);
    return metal::float4(_e3, _e5);
}

Pack measured(
    Pack x
) {
    return x;
}

Pack load_x(
    At input_at,
    At at,
    device type_3 const& input,
    constant _mslBufferSizes& _buffer_sizes
) {
    metal::float4 _e2 = load_input(input_at, input, _buffer_sizes);
    return _e2;
}

uint naga_div(uint lhs, uint rhs) {
    return lhs / metal::select(rhs, 1u, rhs == 0u);
}

uint naga_mod(uint lhs, uint rhs) {
    return lhs % metal::select(rhs, 1u, rhs == 0u);
}

void run(
    Team team_3,
    device type_3 const& input,
    device type_3& partials,
    constant Params& params,
    threadgroup type_7& leaves,
    threadgroup type_8& branches,
    constant _mslBufferSizes& _buffer_sizes
) {
    uint at_1 = {};
    uint slice = {};
    uint pack_1 = {};
    float count = 0.0;
    Pair mean = Pair {};
    float m2_ = 0.0;
    uint block = 0u;
    float block_packs = {};
    metal::float4 shifted_sum = {};
    metal::float4 d_sum = {};
    metal::float4 d2_sum = {};
    bool local = {};
    uint _e4 = params.groups;
    uint _e7 = params.splits;
    bool has_group = team_3.index < (_e4 * _e7);
    uint _e13 = params.splits;
    uint _e17 = params.groups;
    uint group = metal::min(naga_div(team_3.index, _e13), _e17 - 1u);
    uint _e24 = params.splits;
    uint split = naga_mod(team_3.index, _e24);
    uint _e28 = params.reduced;
    uint _e31 = params.packs;
    uint total_1 = _e28 * _e31;
    uint end = has_group ? total_1 : 0u;
    uint _e37 = params.kept;
    uint _e41 = params.reduced;
    uint _e45 = params.kept;
    uint _e49 = params.kept;
    uint first_1 = ((naga_div(group, _e37) * _e41) * _e45) + naga_mod(group, _e49);
    uint _e54 = params.input_packs;
    uint _e58 = params.packs;
    Pack _e60 = load_x(first_1 * _e54, first_1 * _e58, input, _buffer_sizes);
    Pack _e61 = measured(_e60);
    float _e62 = pack_first(_e61);
    uint _e65 = params.splits;
    uint stride_1 = _e65 * team_3.lanes;
    uint _e70 = params.packs;
    uint step_slice = naga_div(stride_1, _e70);
    uint _e74 = params.packs;
    uint step_pack = naga_mod(stride_1, _e74);
    at_1 = (split * team_3.lanes) + team_3.lane;
    uint _e81 = at_1;
    uint _e84 = params.packs;
    slice = naga_div(_e81, _e84);
    uint _e87 = at_1;
    uint _e90 = params.packs;
    pack_1 = naga_mod(_e87, _e90);
    uint blocks = naga_div((total_1 + (stride_1 * BLOCK)) - 1u, stride_1 * BLOCK);
    uint2 loop_bound_2 = uint2(4294967295u);
    bool loop_init_2 = true;
    while(true) {
        if (metal::all(loop_bound_2 == uint2(0u))) { break; }
        loop_bound_2 -= uint2(loop_bound_2.y == 0u, 1u);
        if (!loop_init_2) {
            uint _e433 = block;
            block = _e433 + 1u;
        }
        loop_init_2 = false;
        uint _e109 = block;
        if (_e109 < blocks) {
        } else {
            break;
        }
        {
            block_packs = 0.0;
            shifted_sum = metal::float4(0.0);
            uint _e116 = at_1;
            bool live_0_ = _e116 < end;
            uint _e118 = slice;
            uint _e121 = params.kept;
            uint run_0_ = live_0_ ? (first_1 + (_e118 * _e121)) : first_1;
            uint _e126 = pack_1;
            uint pack_0_ = live_0_ ? _e126 : 0u;
            uint _e130 = params.input_packs;
            uint _e135 = params.packs;
            Pack _e138 = load_x((run_0_ * _e130) + pack_0_, (run_0_ * _e135) + pack_0_, input, _buffer_sizes);
            Pack _e139 = measured(_e138);
            metal::float4 _e140 = shifted_sum;
            shifted_sum = _e140 + (live_0_ ? (_e139 - metal::float4(_e62)) : metal::float4(0.0));
            float _e147 = block_packs;
            block_packs = _e147 + (live_0_ ? 1.0 : 0.0);
            uint _e152 = at_1;
            at_1 = _e152 + stride_1;
            uint _e154 = slice;
            slice = _e154 + step_slice;
            uint _e156 = pack_1;
            pack_1 = _e156 + step_pack;
            uint _e158 = pack_1;
            uint _e161 = params.packs;
            if (_e158 >= _e161) {
                uint _e163 = pack_1;
                uint _e166 = params.packs;
                pack_1 = _e163 - _e166;
                uint _e168 = slice;
                slice = _e168 + 1u;
            }
            uint _e171 = at_1;
            bool live_1_ = _e171 < end;
            uint _e173 = slice;
            uint _e176 = params.kept;
            uint run_1_ = live_1_ ? (first_1 + (_e173 * _e176)) : first_1;
            uint _e181 = pack_1;
            uint pack_1_ = live_1_ ? _e181 : 0u;
            uint _e185 = params.input_packs;
            uint _e190 = params.packs;
            Pack _e193 = load_x((run_1_ * _e185) + pack_1_, (run_1_ * _e190) + pack_1_, input, _buffer_sizes);
            Pack _e194 = measured(_e193);
            metal::float4 _e195 = shifted_sum;
            shifted_sum = _e195 + (live_1_ ? (_e194 - metal::float4(_e62)) : metal::float4(0.0));
            float _e202 = block_packs;
            block_packs = _e202 + (live_1_ ? 1.0 : 0.0);
            uint _e207 = at_1;
            at_1 = _e207 + stride_1;
            uint _e209 = slice;
            slice = _e209 + step_slice;
            uint _e211 = pack_1;
            pack_1 = _e211 + step_pack;
            uint _e213 = pack_1;
            uint _e216 = params.packs;
            if (_e213 >= _e216) {
                uint _e218 = pack_1;
                uint _e221 = params.packs;
                pack_1 = _e218 - _e221;
                uint _e223 = slice;
                slice = _e223 + 1u;
            }
            uint _e226 = at_1;
            bool live_2_ = _e226 < end;
            uint _e228 = slice;
            uint _e231 = params.kept;
            uint run_2_ = live_2_ ? (first_1 + (_e228 * _e231)) : first_1;
            uint _e236 = pack_1;
            uint pack_2_ = live_2_ ? _e236 : 0u;
            uint _e240 = params.input_packs;
            uint _e245 = params.packs;
            Pack _e248 = load_x((run_2_ * _e240) + pack_2_, (run_2_ * _e245) + pack_2_, input, _buffer_sizes);
            Pack _e249 = measured(_e248);
            metal::float4 _e250 = shifted_sum;
            shifted_sum = _e250 + (live_2_ ? (_e249 - metal::float4(_e62)) : metal::float4(0.0));
            float _e257 = block_packs;
            block_packs = _e257 + (live_2_ ? 1.0 : 0.0);
            uint _e262 = at_1;
            at_1 = _e262 + stride_1;
            uint _e264 = slice;
            slice = _e264 + step_slice;
            uint _e266 = pack_1;
            pack_1 = _e266 + step_pack;
            uint _e268 = pack_1;
            uint _e271 = params.packs;
            if (_e268 >= _e271) {
                uint _e273 = pack_1;
                uint _e276 = params.packs;
                pack_1 = _e273 - _e276;
                uint _e278 = slice;
                slice = _e278 + 1u;
            }
            uint _e281 = at_1;
            bool live_3_ = _e281 < end;
            uint _e283 = slice;
            uint _e286 = params.kept;
            uint run_3_ = live_3_ ? (first_1 + (_e283 * _e286)) : first_1;
            uint _e291 = pack_1;
            uint pack_3_ = live_3_ ? _e291 : 0u;
            uint _e295 = params.input_packs;
            uint _e300 = params.packs;
            Pack _e303 = load_x((run_3_ * _e295) + pack_3_, (run_3_ * _e300) + pack_3_, input, _buffer_sizes);
            Pack _e304 = measured(_e303);
            metal::float4 _e305 = shifted_sum;
            shifted_sum = _e305 + (live_3_ ? (_e304 - metal::float4(_e62)) : metal::float4(0.0));
            float _e312 = block_packs;
            block_packs = _e312 + (live_3_ ? 1.0 : 0.0);
            uint _e317 = at_1;
            at_1 = _e317 + stride_1;
            uint _e319 = slice;
            slice = _e319 + step_slice;
            uint _e321 = pack_1;
            pack_1 = _e321 + step_pack;
            uint _e323 = pack_1;
            uint _e326 = params.packs;
            if (_e323 >= _e326) {
                uint _e328 = pack_1;
                uint _e331 = params.packs;
                pack_1 = _e328 - _e331;
                uint _e333 = slice;
                slice = _e333 + 1u;
            }
            float _e336 = block_packs;
            float block_count = _e336 * 4.0;
            float inv_count = 1.0 / metal::max(block_count, 1.0);
            metal::float4 _e343 = shifted_sum;
            float _e344 = pack_sum(_e343);
            float block_mean = _e62 + (_e344 * inv_count);
            d_sum = metal::float4(0.0);
            d2_sum = metal::float4(0.0);
            Pack d_0_ = live_0_ ? (_e139 - metal::float4(block_mean)) : metal::float4(0.0);
            metal::float4 _e358 = d_sum;
            d_sum = _e358 + d_0_;
            metal::float4 _e360 = d2_sum;
            d2_sum = _e360 + (d_0_ * d_0_);
            Pack d_1_ = live_1_ ? (_e194 - metal::float4(block_mean)) : metal::float4(0.0);
            metal::float4 _e368 = d_sum;
            d_sum = _e368 + d_1_;
            metal::float4 _e370 = d2_sum;
            d2_sum = _e370 + (d_1_ * d_1_);
            Pack d_2_ = live_2_ ? (_e249 - metal::float4(block_mean)) : metal::float4(0.0);
            metal::float4 _e378 = d_sum;
            d_sum = _e378 + d_2_;
            metal::float4 _e380 = d2_sum;
            d2_sum = _e380 + (d_2_ * d_2_);
            Pack d_3_ = live_3_ ? (_e304 - metal::float4(block_mean)) : metal::float4(0.0);
            metal::float4 _e388 = d_sum;
            d_sum = _e388 + d_3_;
            metal::float4 _e390 = d2_sum;
            d2_sum = _e390 + (d_3_ * d_3_);
            metal::float4 _e393 = d_sum;
            float _e394 = pack_sum(_e393);
            float correction = _e394 * inv_count;
            metal::float4 _e396 = d2_sum;
            float _e397 = pack_sum(_e396);
            metal::float4 _e398 = d_sum;
            float _e399 = pack_sum(_e398);
            float block_m2_ = _e397 - (correction * _e399);
            float _e402 = count;
            if (_e402 == 0.0) {
                mean = Pair {block_mean, correction};
            }
            float _e406 = count;
            float both = _e406 + block_count;
            float share = block_count / metal::max(both, 1.0);
            Real _e412 = mean.hi;
            Real _e414 = opaque(block_mean - _e412, params);
            Real _e416 = mean.lo;
            Real delta = _e414 + (correction - _e416);
            Real _e420 = mean.hi;
            Real _e422 = mean.lo;
            Pair _e425 = two_sum(_e420, _e422 + (delta * share), params);
            mean = _e425;
            float _e426 = m2_;
            float _e427 = count;
            m2_ = _e426 + (block_m2_ + (delta * (delta * (_e427 * share))));
            count = both;
        }
    }
    float _e436 = count;
    float _e437 = count;
    Real _e439 = mean.hi;
    metal::float2 _e443 = team_sum2_(metal::float2(_e436, _e437 * (_e439 - _e62)), team_3, leaves, branches);
    float inv_count_1 = 1.0 / metal::max(_e443.x, 1.0);
    float team_mean = _e62 + (_e443.y * inv_count_1);
    Real _e453 = mean.hi;
    Real _e455 = opaque(_e453 - team_mean, params);
    Real _e457 = mean.lo;
    float _e459 = count;
    Real e = (_e459 > 0.0) ? (_e455 + _e457) : 0.0;
    float _e464 = count;
    float _e466 = m2_;
    float _e467 = count;
    metal::float2 _e472 = team_sum2_(metal::float2(_e464 * e, _e466 + ((_e467 * e) * e)), team_3, leaves, branches);
    float correction_1 = _e472.x * inv_count_1;
    if (has_group) {
        local = team_3.lane == 0u;
    } else {
        local = false;
    }
    bool _e481 = local;
    if (_e481) {
        float m2_1 = _e472.y - (correction_1 * _e472.x);
        uint _e489 = params.first_partial;
        uint _e492 = params.partial_stride;
        partials[(_e489 + (split * _e492)) + group] = metal::float4(team_mean, correction_1, m2_1, _e443.x);
        return;
    } else {
        return;
    }
}

Pack measure(
    Pack d
) {
    return d * d;
}

Pack slope(
    Pack y
) {
    return y;
}

struct main_Input {
};
[[max_total_threads_per_threadgroup(256)]] kernel void main_(
  metal::uint3 workgroup_id [[threadgroup_position_in_grid]]
, metal::uint3 num_workgroups [[threadgroups_per_grid]]
, uint local_index [[thread_index_in_threadgroup]]
, device type_3 const& input [[user(fake0)]]
, device type_3& partials [[user(fake0)]]
, constant Params& params [[user(fake0)]]
, threadgroup type_7& leaves
, threadgroup type_8& branches
, constant _mslBufferSizes& _buffer_sizes [[user(fake0)]]
) {
    if (local_index == 0u) {
        leaves = {};
        branches = {};
    }
    metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
    uint workgroup = (workgroup_id.y * num_workgroups.x) + workgroup_id.x;
    run(Team {workgroup, local_index, WORKGROUP_SIZE}, input, partials, params, leaves, branches, _buffer_sizes);
    return;
}
