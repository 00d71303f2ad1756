use std::{env, fs, time::Instant};
use wgpu_norm::{
    host::{self, Gpu},
    wgpu,
};
const COPY: &str = "
@group(0) @binding(0) var<storage, read> src: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> dst: array<vec4<f32>>;
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>, @builtin(local_invocation_index) l: u32) {
    let i = (id.y * n.x + id.x) * 64u + l;
    if i < arrayLength(&src) { dst[i] = src[i]; }
}";
fn main() {
    // args: dir rows cols rounds ; each file first line: // groups=N
    let a: Vec<String> = env::args().collect();
    let (dir, rows, cols, rounds) =
        (&a[1], a[2].parse::<usize>().unwrap(), a[3].parse::<usize>().unwrap(), a[4].parse::<usize>().unwrap());
    let gpu = Gpu::with_adapter(&host::adapter(None).unwrap()).unwrap();
    let (d, q) = (gpu.device(), gpu.queue());
    println!("{} {rows}x{cols}", d.adapter_info().name);
    let n = rows * cols;
    let mut s = 1u32;
    let mut rnd = |n: usize| -> Vec<f32> {
        (0..n)
            .map(|_| {
                s = s.wrapping_mul(1664525).wrapping_add(1013904223);
                f32::from_bits(0x3f80_0000 | s >> 9)
            })
            .collect()
    };
    let mk = |v: &[f32]| {
        let b = d.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: (v.len() * 4) as u64,
            usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        });
        q.write_buffer(&b, 0, wgpu_norm_bytes(v));
        b
    };
    let x = rnd(n);
    let w = rnd(cols);
    let bb = rnd(cols);
    let bufs = [mk(&x), mk(&w), mk(&bb), mk(&vec![0.0; n])];
    let mut want = vec![0f32; n];
    for r in 0..rows {
        let xr = &x[r * cols..][..cols];
        let m = xr.iter().map(|&v| v as f64).sum::<f64>() / cols as f64;
        let v = xr.iter().map(|&v| (v as f64 - m).powi(2)).sum::<f64>() / cols as f64;
        let rs = 1.0 / (v + 1e-5).sqrt();
        for c in 0..cols {
            want[r * cols + c] = ((xr[c] as f64 - m) * rs * w[c] as f64 + bb[c] as f64) as f32;
        }
    }
    let build = |src: &str| -> (wgpu::ComputePipeline, f64) {
        let m = unsafe {
            d.create_shader_module_trusted(
                wgpu::ShaderModuleDescriptor { label: None, source: wgpu::ShaderSource::Wgsl(src.into()) },
                wgpu::ShaderRuntimeChecks {
                    force_loop_bounding: false,
                    int_div_checks: false,
                    ..wgpu::ShaderRuntimeChecks::checked()
                },
            )
        };
        let t = Instant::now();
        let p = d.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: None,
            layout: None,
            module: &m,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                zero_initialize_workgroup_memory: false,
                ..Default::default()
            },
            cache: None,
        });
        (p, t.elapsed().as_secs_f64())
    };
    let mut items = vec![];
    let (p, _) = build(COPY);
    let g = d.create_bind_group(&wgpu::BindGroupDescriptor {
        label: None,
        layout: &p.get_bind_group_layout(0),
        entries: &[
            wgpu::BindGroupEntry { binding: 0, resource: bufs[0].as_entire_binding() },
            wgpu::BindGroupEntry { binding: 1, resource: bufs[3].as_entire_binding() },
        ],
    });
    items.push(("copy".to_owned(), p, g, (n / 4).div_ceil(64) as u32, 0.0));
    let mut files: Vec<_> = fs::read_dir(dir).unwrap().map(|f| f.unwrap().path()).collect();
    files.sort();
    for f in files {
        let src = fs::read_to_string(&f).unwrap();
        let groups: u32 = src.lines().next().unwrap().split('=').nth(1).unwrap().trim().parse().unwrap();
        let (p, t) = build(&src);
        let g = d.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &p.get_bind_group_layout(0),
            entries: &(0..4)
                .map(|i| wgpu::BindGroupEntry { binding: i as u32, resource: bufs[i].as_entire_binding() })
                .collect::<Vec<_>>(),
        });
        items.push((f.file_stem().unwrap().to_string_lossy().into_owned(), p, g, groups, t));
    }
    let mut times = vec![vec![]; items.len()];
    let qs = d.create_query_set(&wgpu::QuerySetDescriptor { label: None, ty: wgpu::QueryType::Timestamp, count: 2 });
    let _ = &qs;
    for round in 0..rounds + 2 {
        for (i, (_, p, g, n, _)) in items.iter().enumerate() {
            let mut e = d.create_command_encoder(&Default::default());
            {
                let mut pass = e.begin_compute_pass(&Default::default());
                pass.set_pipeline(p);
                pass.set_bind_group(0, g, &[]);
                let y = n.div_ceil(65535);
                pass.dispatch_workgroups(n.div_ceil(y), y, 1);
            }
            let c = e.finish();
            let t = Instant::now();
            q.submit([c]);
            d.poll(wgpu::PollType::wait_indefinitely()).unwrap();
            if round >= 2 {
                times[i].push(t.elapsed().as_secs_f64());
            }
        }
    }
    for (i, it) in items.iter().enumerate() {
        // ratio: median of per-round ratios
        let mut r: Vec<f64> = times[i].iter().zip(&times[0]).map(|(a, b)| a / b).collect();
        r.sort_by(f64::total_cmp);
        let mut m = times[i].clone();
        m.sort_by(f64::total_cmp);
        let mut err = 0f64;
        if i > 0 {
            let mut e = d.create_command_encoder(&Default::default());
            e.clear_buffer(&bufs[3], 0, None);
            {
                let mut pass = e.begin_compute_pass(&Default::default());
                pass.set_pipeline(&it.1);
                pass.set_bind_group(0, &it.2, &[]);
                let y = it.3.div_ceil(65535);
                pass.dispatch_workgroups(it.3.div_ceil(y), y, 1);
            }
            q.submit([e.finish()]);
            let out = gpu.download(&bufs[3], (n * 4) as u64).unwrap();
            let out: Vec<f32> = out.chunks_exact(4).map(|c| f32::from_le_bytes(c.try_into().unwrap())).collect();
            err = out.iter().zip(&want).map(|(a, b)| (a - b).abs() as f64).fold(0.0, f64::max);
        }
        println!(
            "{:<24} {:>8.3} ms  ratio {:>6.2}  build {:>7.1} ms  err {err:.1e}",
            it.0,
            m[m.len() / 2] * 1e3,
            r[r.len() / 2],
            it.4 * 1e3
        );
    }
}
fn wgpu_norm_bytes(v: &[f32]) -> &[u8] {
    unsafe { std::slice::from_raw_parts(v.as_ptr().cast(), v.len() * 4) }
}
