// language: metal2.4
#include <metal_stdlib>
#include <simd/simd.h>

using metal::uint;

struct _mslBufferSizes {
    uint size3;
    uint size4;
};

typedef metal::float4 Pack;
typedef float Real;
struct Pair {
    Real hi;
    Real lo;
};
typedef uint Bits;
struct Params {
    uint all_groups;
    uint reduced;
    uint groups;
    uint packs;
    uint splits;
    uint first_partial;
    uint partial_stride;
    uint zero;
};
typedef uint Column;
typedef uint At;
typedef uint First;
struct Team {
    uint index;
    uint lane;
    uint lanes;
};
struct type_3 {
    metal::float2 inner[256];
};
struct type_4 {
    metal::float2 inner[16];
};
typedef metal::float4 type_6[1];
constant uint PACK = 4u;
constant uint FAN_IN = 16u;
constant uint WORKGROUP_SIZE = 256u;
constant uint BLOCK = 4u;

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

Real real_of(
    Bits bits
) {
    return as_type<float>(bits);
}

Bits bits_of(
    Real v_2
) {
    return as_type<uint>(v_2);
}

Real opaque(
    Real v_3,
    constant Params& params
) {
    Bits _e1 = bits_of(v_3);
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

First first_of(
    uint row,
    uint stride
) {
    return row * stride;
}

At at_of(
    First first,
    Column column
) {
    return first + column;
}

metal::float2 team_sum2_(
    metal::float2 v_4,
    Team team,
    threadgroup type_3& leaves,
    threadgroup type_4& branches
) {
    metal::float2 sum = {};
    uint i = 1u;
    metal::float2 total = {};
    uint i_1 = 1u;
    leaves.inner[team.lane] = v_4;
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
            uint _e48 = i_1;
            i_1 = _e48 + 1u;
        }
        loop_init_1 = false;
        uint _e40 = i_1;
        if (_e40 < 16u) {
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

metal::float4 load_input(
    uint i_2,
    device type_6 const& input,
    constant _mslBufferSizes& _buffer_sizes
) {
    metal::float4 _e3 = input[i_2];
    return _e3;
}

Pack load_x(
    At at,
    device type_6 const& input,
    constant _mslBufferSizes& _buffer_sizes
) {
    metal::float4 _e1 = load_input(at, input, _buffer_sizes);
    return _e1;
}

uint naga_div(uint lhs, uint rhs) {
    return lhs / metal::select(rhs, 1u, rhs == 0u);
}

uint naga_mod(uint lhs, uint rhs) {
    return lhs % metal::select(rhs, 1u, rhs == 0u);
}

void run(
    Team team_1,
    constant Params& params,
    threadgroup type_3& leaves,
    threadgroup type_4& branches,
    device type_6 const& input,
    device type_6& partials,
    constant _mslBufferSizes& _buffer_sizes
) {
    uint at_1 = {};
    uint slice = {};
    uint pack = {};
    float count = 0.0;
    Pair mean = Pair {};
    float m2_ = 0.0;
    uint block = 0u;
    float block_packs = {};
    metal::float4 shifted_sum = {};
    metal::float4 d_sum = {};
    metal::float4 d2_sum = {};
    bool local = {};
    uint _e4 = params.all_groups;
    uint _e7 = params.splits;
    bool has_group = team_1.index < (_e4 * _e7);
    uint _e13 = params.splits;
    uint _e17 = params.all_groups;
    uint group = metal::min(naga_div(team_1.index, _e13), _e17 - 1u);
    uint _e24 = params.splits;
    uint split = naga_mod(team_1.index, _e24);
    uint _e28 = params.reduced;
    uint _e31 = params.packs;
    uint total_1 = _e28 * _e31;
    uint end = has_group ? total_1 : 0u;
    uint _e37 = params.groups;
    uint _e41 = params.reduced;
    uint _e45 = params.groups;
    uint _e49 = params.groups;
    uint first_1 = ((naga_div(group, _e37) * _e41) * _e45) + naga_mod(group, _e49);
    uint _e54 = params.packs;
    First _e55 = first_of(first_1, _e54);
    At _e57 = at_of(_e55, 0u);
    Pack _e58 = load_x(_e57, input, _buffer_sizes);
    float _e59 = pack_first(_e58);
    uint _e62 = params.splits;
    uint stride_1 = _e62 * team_1.lanes;
    uint _e67 = params.packs;
    uint step_slice = naga_div(stride_1, _e67);
    uint _e71 = params.packs;
    uint step_pack = naga_mod(stride_1, _e71);
    at_1 = (split * team_1.lanes) + team_1.lane;
    uint _e78 = at_1;
    uint _e81 = params.packs;
    slice = naga_div(_e78, _e81);
    uint _e84 = at_1;
    uint _e87 = params.packs;
    pack = naga_mod(_e84, _e87);
    uint blocks = naga_div((total_1 + (stride_1 * BLOCK)) - 1u, stride_1 * BLOCK);
    uint2 loop_bound_2 = uint2(4294967295u);
    bool loop_init_2 = true;
    while(true) {
        if (metal::all(loop_bound_2 == uint2(0u))) { break; }
        loop_bound_2 -= uint2(loop_bound_2.y == 0u, 1u);
        if (!loop_init_2) {
            uint _e406 = block;
            block = _e406 + 1u;
        }
        loop_init_2 = false;
        uint _e106 = block;
        if (_e106 < blocks) {
        } else {
            break;
        }
        {
            block_packs = 0.0;
            shifted_sum = metal::float4(0.0);
            uint _e113 = at_1;
            bool live_0_ = _e113 < end;
            uint _e115 = slice;
            uint _e118 = params.groups;
            uint safe_run_0_ = live_0_ ? (first_1 + (_e115 * _e118)) : first_1;
            uint _e123 = pack;
            uint safe_pack_0_ = live_0_ ? _e123 : 0u;
            uint _e127 = params.packs;
            First _e128 = first_of(safe_run_0_, _e127);
            At _e129 = at_of(_e128, safe_pack_0_);
            Pack _e130 = load_x(_e129, input, _buffer_sizes);
            metal::float4 _e131 = shifted_sum;
            shifted_sum = _e131 + (live_0_ ? (_e130 - metal::float4(_e59)) : metal::float4(0.0));
            float _e138 = block_packs;
            block_packs = _e138 + (live_0_ ? 1.0 : 0.0);
            uint _e143 = at_1;
            at_1 = _e143 + stride_1;
            uint _e145 = slice;
            slice = _e145 + step_slice;
            uint _e147 = pack;
            pack = _e147 + step_pack;
            uint _e149 = pack;
            uint _e152 = params.packs;
            if (_e149 >= _e152) {
                uint _e154 = pack;
                uint _e157 = params.packs;
                pack = _e154 - _e157;
                uint _e159 = slice;
                slice = _e159 + 1u;
            }
            uint _e162 = at_1;
            bool live_1_ = _e162 < end;
            uint _e164 = slice;
            uint _e167 = params.groups;
            uint safe_run_1_ = live_1_ ? (first_1 + (_e164 * _e167)) : first_1;
            uint _e172 = pack;
            uint safe_pack_1_ = live_1_ ? _e172 : 0u;
            uint _e176 = params.packs;
            First _e177 = first_of(safe_run_1_, _e176);
            At _e178 = at_of(_e177, safe_pack_1_);
            Pack _e179 = load_x(_e178, input, _buffer_sizes);
            metal::float4 _e180 = shifted_sum;
            shifted_sum = _e180 + (live_1_ ? (_e179 - metal::float4(_e59)) : metal::float4(0.0));
            float _e187 = block_packs;
            block_packs = _e187 + (live_1_ ? 1.0 : 0.0);
            uint _e192 = at_1;
            at_1 = _e192 + stride_1;
            uint _e194 = slice;
            slice = _e194 + step_slice;
            uint _e196 = pack;
            pack = _e196 + step_pack;
            uint _e198 = pack;
            uint _e201 = params.packs;
            if (_e198 >= _e201) {
                uint _e203 = pack;
                uint _e206 = params.packs;
                pack = _e203 - _e206;
                uint _e208 = slice;
                slice = _e208 + 1u;
            }
            uint _e211 = at_1;
            bool live_2_ = _e211 < end;
            uint _e213 = slice;
            uint _e216 = params.groups;
            uint safe_run_2_ = live_2_ ? (first_1 + (_e213 * _e216)) : first_1;
            uint _e221 = pack;
            uint safe_pack_2_ = live_2_ ? _e221 : 0u;
            uint _e225 = params.packs;
            First _e226 = first_of(safe_run_2_, _e225);
            At _e227 = at_of(_e226, safe_pack_2_);
            Pack _e228 = load_x(_e227, input, _buffer_sizes);
            metal::float4 _e229 = shifted_sum;
            shifted_sum = _e229 + (live_2_ ? (_e228 - metal::float4(_e59)) : metal::float4(0.0));
            float _e236 = block_packs;
            block_packs = _e236 + (live_2_ ? 1.0 : 0.0);
            uint _e241 = at_1;
            at_1 = _e241 + stride_1;
            uint _e243 = slice;
            slice = _e243 + step_slice;
            uint _e245 = pack;
            pack = _e245 + step_pack;
            uint _e247 = pack;
            uint _e250 = params.packs;
            if (_e247 >= _e250) {
                uint _e252 = pack;
                uint _e255 = params.packs;
                pack = _e252 - _e255;
                uint _e257 = slice;
                slice = _e257 + 1u;
            }
            uint _e260 = at_1;
            bool live_3_ = _e260 < end;
            uint _e262 = slice;
            uint _e265 = params.groups;
            uint safe_run_3_ = live_3_ ? (first_1 + (_e262 * _e265)) : first_1;
            uint _e270 = pack;
            uint safe_pack_3_ = live_3_ ? _e270 : 0u;
            uint _e274 = params.packs;
            First _e275 = first_of(safe_run_3_, _e274);
            At _e276 = at_of(_e275, safe_pack_3_);
            Pack _e277 = load_x(_e276, input, _buffer_sizes);
            metal::float4 _e278 = shifted_sum;
            shifted_sum = _e278 + (live_3_ ? (_e277 - metal::float4(_e59)) : metal::float4(0.0));
            float _e285 = block_packs;
            block_packs = _e285 + (live_3_ ? 1.0 : 0.0);
            uint _e290 = at_1;
            at_1 = _e290 + stride_1;
            uint _e292 = slice;
            slice = _e292 + step_slice;
            uint _e294 = pack;
            pack = _e294 + step_pack;
            uint _e296 = pack;
            uint _e299 = params.packs;
            if (_e296 >= _e299) {
                uint _e301 = pack;
                uint _e304 = params.packs;
                pack = _e301 - _e304;
                uint _e306 = slice;
                slice = _e306 + 1u;
            }
            float _e309 = block_packs;
            float block_count = _e309 * 4.0;
            float inv_count = 1.0 / metal::max(block_count, 1.0);
            metal::float4 _e316 = shifted_sum;
            float _e317 = pack_sum(_e316);
            float block_mean = _e59 + (_e317 * inv_count);
            d_sum = metal::float4(0.0);
            d2_sum = metal::float4(0.0);
            Pack d_0_ = live_0_ ? (_e130 - metal::float4(block_mean)) : metal::float4(0.0);
            metal::float4 _e331 = d_sum;
            d_sum = _e331 + d_0_;
            metal::float4 _e333 = d2_sum;
            d2_sum = _e333 + (d_0_ * d_0_);
            Pack d_1_ = live_1_ ? (_e179 - metal::float4(block_mean)) : metal::float4(0.0);
            metal::float4 _e341 = d_sum;
            d_sum = _e341 + d_1_;
            metal::float4 _e343 = d2_sum;
            d2_sum = _e343 + (d_1_ * d_1_);
            Pack d_2_ = live_2_ ? (_e228 - metal::float4(block_mean)) : metal::float4(0.0);
            metal::float4 _e351 = d_sum;
            d_sum = _e351 + d_2_;
            metal::float4 _e353 = d2_sum;
            d2_sum = _e353 + (d_2_ * d_2_);
            Pack d_3_ = live_3_ ? (_e277 - metal::float4(block_mean)) : metal::float4(0.0);
            metal::float4 _e361 = d_sum;
            d_sum = _e361 + d_3_;
            metal::float4 _e363 = d2_sum;
            d2_sum = _e363 + (d_3_ * d_3_);
            metal::float4 _e366 = d_sum;
            float _e367 = pack_sum(_e366);
            float correction = _e367 * inv_count;
            metal::float4 _e369 = d2_sum;
            float _e370 = pack_sum(_e369);
            metal::float4 _e371 = d_sum;
            float _e372 = pack_sum(_e371);
            float block_m2_ = _e370 - (correction * _e372);
            float _e375 = count;
            if (_e375 == 0.0) {
                mean = Pair {block_mean, correction};
            }
            float _e379 = count;
            float both = _e379 + block_count;
            float share = block_count / metal::max(both, 1.0);
            Real _e385 = mean.hi;
            Real _e387 = opaque(block_mean - _e385, params);
            Real _e389 = mean.lo;
            Real delta = _e387 + (correction - _e389);
            Real _e393 = mean.hi;
            Real _e395 = mean.lo;
            Pair _e398 = two_sum(_e393, _e395 + (delta * share), params);
            mean = _e398;
            float _e399 = m2_;
            float _e400 = count;
            m2_ = _e399 + (block_m2_ + (delta * (delta * (_e400 * share))));
            count = both;
        }
    }
    float _e409 = count;
    float _e410 = count;
    Real _e412 = mean.hi;
    metal::float2 _e416 = team_sum2_(metal::float2(_e409, _e410 * (_e412 - _e59)), team_1, leaves, branches);
    float inv_count_1 = 1.0 / metal::max(_e416.x, 1.0);
    float team_mean = _e59 + (_e416.y * inv_count_1);
    Real _e426 = mean.hi;
    Real _e428 = opaque(_e426 - team_mean, params);
    Real _e430 = mean.lo;
    float _e432 = count;
    Real e = (_e432 > 0.0) ? (_e428 + _e430) : 0.0;
    float _e437 = count;
    float _e439 = m2_;
    float _e440 = count;
    metal::float2 _e445 = team_sum2_(metal::float2(_e437 * e, _e439 + ((_e440 * e) * e)), team_1, leaves, branches);
    float correction_1 = _e445.x * inv_count_1;
    if (has_group) {
        local = team_1.lane == 0u;
    } else {
        local = false;
    }
    bool _e454 = local;
    if (_e454) {
        float m2_1 = _e445.y - (correction_1 * _e445.x);
        uint _e462 = params.first_partial;
        uint _e465 = params.partial_stride;
        partials[(_e462 + (split * _e465)) + group] = metal::float4(team_mean, correction_1, m2_1, _e416.x);
        return;
    } else {
        return;
    }
}

struct main_Input {
};
[[max_total_threads_per_threadgroup(256)]] kernel void main_(
  metal::uint3 workgroup_id [[threadgroup_position_in_grid]]
, metal::uint3 num_workgroups [[threadgroups_per_grid]]
, uint local_index [[thread_index_in_threadgroup]]
, constant Params& params [[user(fake0)]]
, threadgroup type_3& leaves
, threadgroup type_4& branches
, device type_6 const& input [[user(fake0)]]
, device type_6& partials [[user(fake0)]]
, constant _mslBufferSizes& _buffer_sizes [[user(fake0)]]
) {
    if (local_index == 0u) {
        leaves = {};
        branches = {};
    }
    metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
    uint workgroup = (workgroup_id.y * num_workgroups.x) + workgroup_id.x;
    run(Team {workgroup, local_index, WORKGROUP_SIZE}, params, leaves, branches, input, partials, _buffer_sizes);
    return;
}
