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
    uint input_packs;
    uint splits;
    uint first_partial;
    uint partial_stride;
    uint zero;
};
typedef uint At;
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
    At input_at,
    At at,
    device type_6 const& input,
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
    uint first = ((naga_div(group, _e37) * _e41) * _e45) + naga_mod(group, _e49);
    uint _e54 = params.input_packs;
    uint _e58 = params.packs;
    Pack _e60 = load_x(first * _e54, first * _e58, input, _buffer_sizes);
    float _e61 = pack_first(_e60);
    uint _e64 = params.splits;
    uint stride = _e64 * team_1.lanes;
    uint _e69 = params.packs;
    uint step_slice = naga_div(stride, _e69);
    uint _e73 = params.packs;
    uint step_pack = naga_mod(stride, _e73);
    at_1 = (split * team_1.lanes) + team_1.lane;
    uint _e80 = at_1;
    uint _e83 = params.packs;
    slice = naga_div(_e80, _e83);
    uint _e86 = at_1;
    uint _e89 = params.packs;
    pack = naga_mod(_e86, _e89);
    uint blocks = naga_div((total_1 + (stride * BLOCK)) - 1u, stride * BLOCK);
    uint2 loop_bound_2 = uint2(4294967295u);
    bool loop_init_2 = true;
    while(true) {
        if (metal::all(loop_bound_2 == uint2(0u))) { break; }
        loop_bound_2 -= uint2(loop_bound_2.y == 0u, 1u);
        if (!loop_init_2) {
            uint _e428 = block;
            block = _e428 + 1u;
        }
        loop_init_2 = false;
        uint _e108 = block;
        if (_e108 < blocks) {
        } else {
            break;
        }
        {
            block_packs = 0.0;
            shifted_sum = metal::float4(0.0);
            uint _e115 = at_1;
            bool live_0_ = _e115 < end;
            uint _e117 = slice;
            uint _e120 = params.groups;
            uint safe_run_0_ = live_0_ ? (first + (_e117 * _e120)) : first;
            uint _e125 = pack;
            uint safe_pack_0_ = live_0_ ? _e125 : 0u;
            uint _e129 = params.input_packs;
            uint _e134 = params.packs;
            Pack _e137 = load_x((safe_run_0_ * _e129) + safe_pack_0_, (safe_run_0_ * _e134) + safe_pack_0_, input, _buffer_sizes);
            metal::float4 _e138 = shifted_sum;
            shifted_sum = _e138 + (live_0_ ? (_e137 - metal::float4(_e61)) : metal::float4(0.0));
            float _e145 = block_packs;
            block_packs = _e145 + (live_0_ ? 1.0 : 0.0);
            uint _e150 = at_1;
            at_1 = _e150 + stride;
            uint _e152 = slice;
            slice = _e152 + step_slice;
            uint _e154 = pack;
            pack = _e154 + step_pack;
            uint _e156 = pack;
            uint _e159 = params.packs;
            if (_e156 >= _e159) {
                uint _e161 = pack;
                uint _e164 = params.packs;
                pack = _e161 - _e164;
                uint _e166 = slice;
                slice = _e166 + 1u;
            }
            uint _e169 = at_1;
            bool live_1_ = _e169 < end;
            uint _e171 = slice;
            uint _e174 = params.groups;
            uint safe_run_1_ = live_1_ ? (first + (_e171 * _e174)) : first;
            uint _e179 = pack;
            uint safe_pack_1_ = live_1_ ? _e179 : 0u;
            uint _e183 = params.input_packs;
            uint _e188 = params.packs;
            Pack _e191 = load_x((safe_run_1_ * _e183) + safe_pack_1_, (safe_run_1_ * _e188) + safe_pack_1_, input, _buffer_sizes);
            metal::float4 _e192 = shifted_sum;
            shifted_sum = _e192 + (live_1_ ? (_e191 - metal::float4(_e61)) : metal::float4(0.0));
            float _e199 = block_packs;
            block_packs = _e199 + (live_1_ ? 1.0 : 0.0);
            uint _e204 = at_1;
            at_1 = _e204 + stride;
            uint _e206 = slice;
            slice = _e206 + step_slice;
            uint _e208 = pack;
            pack = _e208 + step_pack;
            uint _e210 = pack;
            uint _e213 = params.packs;
            if (_e210 >= _e213) {
                uint _e215 = pack;
                uint _e218 = params.packs;
                pack = _e215 - _e218;
                uint _e220 = slice;
                slice = _e220 + 1u;
            }
            uint _e223 = at_1;
            bool live_2_ = _e223 < end;
            uint _e225 = slice;
            uint _e228 = params.groups;
            uint safe_run_2_ = live_2_ ? (first + (_e225 * _e228)) : first;
            uint _e233 = pack;
            uint safe_pack_2_ = live_2_ ? _e233 : 0u;
            uint _e237 = params.input_packs;
            uint _e242 = params.packs;
            Pack _e245 = load_x((safe_run_2_ * _e237) + safe_pack_2_, (safe_run_2_ * _e242) + safe_pack_2_, input, _buffer_sizes);
            metal::float4 _e246 = shifted_sum;
            shifted_sum = _e246 + (live_2_ ? (_e245 - metal::float4(_e61)) : metal::float4(0.0));
            float _e253 = block_packs;
            block_packs = _e253 + (live_2_ ? 1.0 : 0.0);
            uint _e258 = at_1;
            at_1 = _e258 + stride;
            uint _e260 = slice;
            slice = _e260 + step_slice;
            uint _e262 = pack;
            pack = _e262 + step_pack;
            uint _e264 = pack;
            uint _e267 = params.packs;
            if (_e264 >= _e267) {
                uint _e269 = pack;
                uint _e272 = params.packs;
                pack = _e269 - _e272;
                uint _e274 = slice;
                slice = _e274 + 1u;
            }
            uint _e277 = at_1;
            bool live_3_ = _e277 < end;
            uint _e279 = slice;
            uint _e282 = params.groups;
            uint safe_run_3_ = live_3_ ? (first + (_e279 * _e282)) : first;
            uint _e287 = pack;
            uint safe_pack_3_ = live_3_ ? _e287 : 0u;
            uint _e291 = params.input_packs;
            uint _e296 = params.packs;
            Pack _e299 = load_x((safe_run_3_ * _e291) + safe_pack_3_, (safe_run_3_ * _e296) + safe_pack_3_, input, _buffer_sizes);
            metal::float4 _e300 = shifted_sum;
            shifted_sum = _e300 + (live_3_ ? (_e299 - metal::float4(_e61)) : metal::float4(0.0));
            float _e307 = block_packs;
            block_packs = _e307 + (live_3_ ? 1.0 : 0.0);
            uint _e312 = at_1;
            at_1 = _e312 + stride;
            uint _e314 = slice;
            slice = _e314 + step_slice;
            uint _e316 = pack;
            pack = _e316 + step_pack;
            uint _e318 = pack;
            uint _e321 = params.packs;
            if (_e318 >= _e321) {
                uint _e323 = pack;
                uint _e326 = params.packs;
                pack = _e323 - _e326;
                uint _e328 = slice;
                slice = _e328 + 1u;
            }
            float _e331 = block_packs;
            float block_count = _e331 * 4.0;
            float inv_count = 1.0 / metal::max(block_count, 1.0);
            metal::float4 _e338 = shifted_sum;
            float _e339 = pack_sum(_e338);
            float block_mean = _e61 + (_e339 * inv_count);
            d_sum = metal::float4(0.0);
            d2_sum = metal::float4(0.0);
            Pack d_0_ = live_0_ ? (_e137 - metal::float4(block_mean)) : metal::float4(0.0);
            metal::float4 _e353 = d_sum;
            d_sum = _e353 + d_0_;
            metal::float4 _e355 = d2_sum;
            d2_sum = _e355 + (d_0_ * d_0_);
            Pack d_1_ = live_1_ ? (_e191 - metal::float4(block_mean)) : metal::float4(0.0);
            metal::float4 _e363 = d_sum;
            d_sum = _e363 + d_1_;
            metal::float4 _e365 = d2_sum;
            d2_sum = _e365 + (d_1_ * d_1_);
            Pack d_2_ = live_2_ ? (_e245 - metal::float4(block_mean)) : metal::float4(0.0);
            metal::float4 _e373 = d_sum;
            d_sum = _e373 + d_2_;
            metal::float4 _e375 = d2_sum;
            d2_sum = _e375 + (d_2_ * d_2_);
            Pack d_3_ = live_3_ ? (_e299 - metal::float4(block_mean)) : metal::float4(0.0);
            metal::float4 _e383 = d_sum;
            d_sum = _e383 + d_3_;
            metal::float4 _e385 = d2_sum;
            d2_sum = _e385 + (d_3_ * d_3_);
            metal::float4 _e388 = d_sum;
            float _e389 = pack_sum(_e388);
            float correction = _e389 * inv_count;
            metal::float4 _e391 = d2_sum;
            float _e392 = pack_sum(_e391);
            metal::float4 _e393 = d_sum;
            float _e394 = pack_sum(_e393);
            float block_m2_ = _e392 - (correction * _e394);
            float _e397 = count;
            if (_e397 == 0.0) {
                mean = Pair {block_mean, correction};
            }
            float _e401 = count;
            float both = _e401 + block_count;
            float share = block_count / metal::max(both, 1.0);
            Real _e407 = mean.hi;
            Real _e409 = opaque(block_mean - _e407, params);
            Real _e411 = mean.lo;
            Real delta = _e409 + (correction - _e411);
            Real _e415 = mean.hi;
            Real _e417 = mean.lo;
            Pair _e420 = two_sum(_e415, _e417 + (delta * share), params);
            mean = _e420;
            float _e421 = m2_;
            float _e422 = count;
            m2_ = _e421 + (block_m2_ + (delta * (delta * (_e422 * share))));
            count = both;
        }
    }
    float _e431 = count;
    float _e432 = count;
    Real _e434 = mean.hi;
    metal::float2 _e438 = team_sum2_(metal::float2(_e431, _e432 * (_e434 - _e61)), team_1, leaves, branches);
    float inv_count_1 = 1.0 / metal::max(_e438.x, 1.0);
    float team_mean = _e61 + (_e438.y * inv_count_1);
    Real _e448 = mean.hi;
    Real _e450 = opaque(_e448 - team_mean, params);
    Real _e452 = mean.lo;
    float _e454 = count;
    Real e = (_e454 > 0.0) ? (_e450 + _e452) : 0.0;
    float _e459 = count;
    float _e461 = m2_;
    float _e462 = count;
    metal::float2 _e467 = team_sum2_(metal::float2(_e459 * e, _e461 + ((_e462 * e) * e)), team_1, leaves, branches);
    float correction_1 = _e467.x * inv_count_1;
    if (has_group) {
        local = team_1.lane == 0u;
    } else {
        local = false;
    }
    bool _e476 = local;
    if (_e476) {
        float m2_1 = _e467.y - (correction_1 * _e467.x);
        uint _e484 = params.first_partial;
        uint _e487 = params.partial_stride;
        partials[(_e484 + (split * _e487)) + group] = metal::float4(team_mean, correction_1, m2_1, _e438.x);
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
