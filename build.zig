//! Builds the C library in csrc/ for this host and for every release target,
//! and the C programs in tests/native/, bench/native/, torture/native/ and guard/native/.
//!
//! `zig build --help` lists the steps and options. `deno task build` calls this
//! file and finds Zig by itself.

const std = @import("std");
const Build = std.Build;
const LazyPath = Build.LazyPath;

/// What `zig build release` makes. The version is that of the oldest glibc
/// that the library runs with.
const release_targets = [_][]const u8{
    "x86_64-linux-gnu.2.17",
    "aarch64-linux-gnu.2.17",
    "x86_64-macos",
    "aarch64-macos",
    "x86_64-windows-gnu",
};

const c_flags = [_][]const u8{
    "-std=gnu11",
    "-fvisibility=hidden",
    "-Wall",
    "-Wextra",
    "-Werror",
};

/// The C tests that do without fork(), and so run on every system, and what they
/// share. In some of them single cases need it, and are skipped elsewhere.
const portable_tests = [_][]const u8{
    "bias_test.c",
    "cache_test.c",
    "cached_pool.c",
    "descriptor_test.c",
    "geometry_test.c",
    "hash_test.c",
    "heap_churn_test.c",
    "heap_grow_test.c",
    "heap_test.c",
    "index_test.c",
    "manifest_test.c",
    "offers_test.c",
    "park_test.c",
    "races_test.c",
    "rebuild_test.c",
    "resize_test.c",
    "system_test.c",
    "threads_test.c",
    "wait_test.c",
    "harness.c",
    "harness_windows.c",
    "heap_fixture.c",
    "waiting_room.c",
};

const library_file = "libmanaged_memory.so";

const Sanitizer = enum { none, address, thread, undefined };

const Settings = struct {
    target: Build.ResolvedTarget,
    optimize: std.builtin.OptimizeMode,
    assertions: bool,
    sanitizer: Sanitizer = .none,
    strip: bool = false,
    /// What mm_build_id() says, and part of the library's soname.
    build_id: ?[]const u8 = null,
};

/// The C files of one folder.
const Sources = struct {
    folder: []const u8,
    files: []const []const u8,
};

pub fn build(b: *Build) void {
    const target = b.standardTargetOptions(.{ .default_target = hostTarget() });
    const sanitizer = b.option(
        Sanitizer,
        "sanitize",
        "Sanitizer for the C tests (default: none; address needs clang or gcc)",
    ) orelse .none;
    const optimize = b.option(
        std.builtin.OptimizeMode,
        "optimize",
        "Optimization (default: ReleaseFast; Debug with a sanitizer)",
    ) orelse if (sanitizer == .none) std.builtin.OptimizeMode.ReleaseFast else .Debug;
    const assertions = b.option(
        bool,
        "assert",
        "Check internal assertions, MM_ASSERT=1 (default: in the C tests only)",
    );

    const library: Settings = .{
        .target = target,
        .optimize = optimize,
        .assertions = assertions orelse false,
    };
    const tests: Settings = .{
        .target = target,
        .optimize = optimize,
        .assertions = assertions orelse true,
        .sanitizer = sanitizer,
    };

    const install = b.getInstallStep();
    const shared = sharedLibrary(b, library);
    install.dependOn(&b.addInstallLibFile(shared, libraryFile(library)).step);
    install.dependOn(&b.addInstallHeaderFile(b.path("csrc/managed_memory.h"), "managed_memory.h").step);
    addReleaseStep(b);
    addTestSteps(b, tests);
    addRaceStep(b, .{
        .target = target,
        .optimize = .Debug,
        .assertions = true,
        .sanitizer = .thread,
    });
    addBenchStep(b, library);
    addTortureStep(b, library);
    addGuardStep(b, library, shared);
}

/// This machine described as a release target, so that what is tested here is
/// what is released, whichever libc and processor the machine has.
fn hostTarget() std.Target.Query {
    const host = @import("builtin").target;
    if (host.os.tag != .linux) return .{ .cpu_model = .baseline };
    return .{
        .cpu_arch = host.cpu.arch,
        .cpu_model = .baseline,
        .os_tag = .linux,
        .abi = .gnu,
        .glibc_version = .{ .major = 2, .minor = 17, .patch = 0 },
    };
}

fn addReleaseStep(b: *Build) void {
    const build_id = b.option([]const u8, "build-id", "Names the build of the release targets (default: none)");
    const release = b.step("release", "Build the library for every release target into zig-out/release/TARGET/");
    for (release_targets) |target| {
        const query = std.Target.Query.parse(.{ .arch_os_abi = target }) catch @panic("bad release target");
        const settings: Settings = .{
            .target = b.resolveTargetQuery(query),
            .optimize = .ReleaseFast,
            .assertions = false,
            .strip = true,
            .build_id = build_id,
        };
        const library = sharedLibrary(b, settings);
        release.dependOn(&b.addInstallFile(library, b.fmt("release/{s}/{s}", .{ target, libraryFile(settings) })).step);
    }
}

fn addTestSteps(b: *Build, settings: Settings) void {
    const programs = b.step("test-programs", "Build the C tests (tests/native/*_test.c) into zig-out/tests/");
    const run_all = b.step("test", "Build and run the C tests");
    const wanted = b.option([]const []const u8, "only", "Which of the C tests (default: all)");
    const folder = "tests/native";
    for (filesIn(b, folder, ".c")) |file| {
        if (!isTest(file) or !isAmong(wanted, stem(file))) continue;
        if (settings.sanitizer != .none and countsInstructions(file)) continue;
        if (!runsOn(settings, file)) continue;
        const program = testProgram(b, settings, folder, file);
        const name = stem(file);
        const extension = settings.target.result.exeFileExt();
        programs.dependOn(&b.addInstallFile(program, b.fmt("tests/{s}{s}", .{ name, extension })).step);

        const run = Build.Step.Run.create(b, b.fmt("run {s}", .{name}));
        run.addFileArg(program);
        run.stdio = .inherit;
        run_all.dependOn(&run.step);
    }
}

/// The tests whose threads share memory at one address: the only ones in which
/// ThreadSanitizer can see a race. Part of every test run.
fn addRaceStep(b: *Build, settings: Settings) void {
    const races = b.step("race-programs", "Build the C tests of threads under ThreadSanitizer into zig-out/races/");
    for ([_][]const u8{ "races_test.c", "threads_test.c" }) |file| {
        const program = testProgram(b, settings, "tests/native", file);
        races.dependOn(&b.addInstallFile(program, b.fmt("races/{s}", .{stem(file)})).step);
    }
}

/// A test and all that the tests share.
fn testProgram(b: *Build, settings: Settings, folder: []const u8, file: []const u8) LazyPath {
    var own: std.ArrayList([]const u8) = .empty;
    own.append(b.allocator, file) catch @panic("OOM");
    for (filesIn(b, folder, ".c")) |helper| {
        if (!isTest(helper) and runsOn(settings, helper)) own.append(b.allocator, helper) catch @panic("OOM");
    }
    return executable(b, settings, folder, own.items);
}

/// Whether a file of tests/native/ is for this system.
fn runsOn(settings: Settings, file: []const u8) bool {
    if (settings.target.result.os.tag != .windows) return !std.mem.eql(u8, file, "harness_windows.c");
    for (portable_tests) |portable| if (std.mem.eql(u8, file, portable)) return true;
    return false;
}

/// Tests that stop a process after each of its instructions. A sanitizer's own
/// instructions would be most of them.
fn countsInstructions(file: []const u8) bool {
    return std.mem.eql(u8, file, "kill_test.c") or std.mem.eql(u8, file, "stop_test.c");
}

fn addBenchStep(b: *Build, settings: Settings) void {
    const bench = b.step("bench", "Build the C benchmarks (bench/native/*.c) into zig-out/bench/");
    const folder = "bench/native";
    for (filesIn(b, folder, ".c")) |file| {
        const program = executable(b, settings, folder, &.{file});
        bench.dependOn(&b.addInstallFile(program, b.fmt("bench/{s}", .{stem(file)})).step);
    }
}

fn addTortureStep(b: *Build, settings: Settings) void {
    const torture = b.step("torture", "Build the torture's warden (torture/native/) into zig-out/torture/");
    const folder = "torture/native";
    const main = "warden.c";
    var files: std.ArrayList([]const u8) = .empty;
    files.append(b.allocator, main) catch @panic("OOM");
    for (filesIn(b, folder, ".c")) |file| {
        if (!std.mem.eql(u8, file, main)) files.append(b.allocator, file) catch @panic("OOM");
    }
    const program = executable(b, settings, folder, files.items);
    torture.dependOn(&b.addInstallFile(program, "torture/warden").step);
}

/// What the guard runs, beside the library as it is released: the library's own
/// instructions are what is counted.
fn addGuardStep(b: *Build, settings: Settings, shared: LazyPath) void {
    const guard = b.step("guard", "Build the regression guard's workload (guard/native/) into zig-out/guard/");
    const module = createModule(b, settings);
    module.addIncludePath(b.path("csrc"));
    module.addCSourceFile(.{
        .file = b.path("guard/native/workload.c"),
        .flags = cFlags(b, settings, &.{
            b.fmt("-DGUARD_ZIG=\"{s}\"", .{@import("builtin").zig_version_string}),
            b.fmt("-DGUARD_TARGET=\"{s} {s}\"", .{ triple(b, settings), cpu(b, settings) }),
        }),
    });
    module.addObjectFile(shared);
    module.addRPathSpecial("$ORIGIN");
    const program = b.addExecutable(.{ .name = "workload", .root_module = module });
    guard.dependOn(&b.addInstallFile(program.getEmittedBin(), "guard/workload").step);
    guard.dependOn(&b.addInstallFile(shared, "guard/" ++ library_file).step);
}

fn triple(b: *Build, settings: Settings) []const u8 {
    return settings.target.query.zigTriple(b.allocator) catch @panic("OOM");
}

fn cpu(b: *Build, settings: Settings) []const u8 {
    return settings.target.query.serializeCpuAlloc(b.allocator) catch @panic("OOM");
}

/// What the system calls a shared library.
fn libraryFile(settings: Settings) []const u8 {
    return switch (settings.target.result.os.tag) {
        .windows => "managed_memory.dll",
        .macos => "libmanaged_memory.dylib",
        else => library_file,
    };
}

/// `std.Build` cannot ask for `-z nodelete`, so the link is a command of its
/// own. Without that flag Deno unloads the library at the end of a Worker,
/// under a call that another thread may still be in. (Where there is no such
/// flag, os_*.c sees to it.)
fn sharedLibrary(b: *Build, settings: Settings) LazyPath {
    const link = b.addSystemCommand(&.{
        b.graph.zig_exe,
        "build-lib",
        "-dynamic",
        "--name",
        "managed_memory",
        "-target",
        triple(b, settings),
        b.fmt("-mcpu={s}", .{cpu(b, settings)}),
        b.fmt("-O{t}", .{settings.optimize}),
        if (settings.strip) "-fstrip" else "-fno-strip",
    });
    // On Linux without naming a libc or versions of its functions: those that the
    // process has already are found, so that one library does for glibc and musl.
    // That none but common ones are asked for is tested.
    link.addArgs(if (settings.target.result.os.tag == .linux) &.{
        b.fmt("-fsoname={s}", .{soname(b, settings)}),
        "-z",
        "nodelete",
        "-fno-compiler-rt",
        "-fallow-shlib-undefined",
    } else &.{"-lc"});
    for (systemLibraries(settings)) |name| link.addArg(b.fmt("-l{s}", .{name}));
    const file_name = libraryFile(settings);
    // Otherwise it would be the path of this build.
    if (settings.target.result.os.tag == .macos) link.addArgs(&.{ "-install_name", b.fmt("@rpath/{s}", .{file_name}) });
    link.setName(b.fmt("link {s}", .{file_name}));
    requireOsLayer(b, settings, &link.step);
    // An object for each file: of several in one, Zig keeps only the first under LTO.
    for (librarySources(b, settings).files) |file| {
        const module = createModule(b, settings);
        module.addCSourceFile(.{
            .file = b.path(b.pathJoin(&.{ "csrc", file })),
            .flags = cFlags(b, settings, &.{}),
        });
        const object = b.addObject(.{ .name = stem(file), .root_module = module });
        object.lto = lto(settings);
        link.addArtifactArg(object);
    }
    return link.addPrefixedOutputFileArg("-femit-bin=", file_name);
}

/// A build with a name has it in its soname: threads of a process find a copy
/// that is loaded by that.
fn soname(b: *Build, settings: Settings) []const u8 {
    const id = settings.build_id orelse return library_file;
    return b.fmt("{s}-{s}{s}", .{ stem(library_file), id, std.fs.path.extension(library_file) });
}

/// Inlining across the files of csrc/ takes alloc and free from 58 to 50 ns
/// (`zig-out/bench/alloc_bench pair`, linked with the shared library).
fn lto(settings: Settings) std.zig.LtoMode {
    // Zig's linker for macOS has no LTO.
    const is_macos = settings.target.result.os.tag == .macos;
    return if (is_macos or settings.optimize == .Debug or settings.sanitizer != .none) .none else .full;
}

fn requireOsLayer(b: *Build, settings: Settings, step: *Build.Step) void {
    const path = b.fmt("csrc/{s}.c", .{osPrefix(settings)});
    b.build_root.handle.access(b.graph.io, path, .{}) catch {
        step.dependOn(&b.addFail(b.fmt("Cannot build for this target: there is no {s}", .{path})).step);
    };
}

/// A program that has the library linked in, internal functions included. It is
/// named after the first of its files.
fn executable(b: *Build, settings: Settings, folder: []const u8, files: []const []const u8) LazyPath {
    const name = stem(files[0]);
    const own: Sources = .{ .folder = folder, .files = files };
    const all = [_]Sources{ librarySources(b, settings), own };
    // Zig defines NDEBUG in release modes, but a test's own assert() must hold.
    const flags = cFlags(b, settings, &.{"-UNDEBUG"});
    if (settings.sanitizer == .address) return addressSanitized(b, name, &all, flags);

    const module = createModule(b, settings);
    module.addIncludePath(b.path("csrc"));
    for (all) |sources| {
        module.addCSourceFiles(.{
            .root = b.path(sources.folder),
            .files = sources.files,
            .flags = flags,
        });
    }
    const program = b.addExecutable(.{ .name = name, .root_module = module });
    program.lto = lto(settings);
    return program.getEmittedBin();
}

/// Compiled by the host's own compiler, because Zig does not ship the run-time
/// library of AddressSanitizer.
fn addressSanitized(b: *Build, name: []const u8, all: []const Sources, flags: []const []const u8) LazyPath {
    const compiler = b.findProgram(&.{ "clang", "gcc" }, &.{}) catch
        std.process.fatal("-Dsanitize=address needs clang or gcc on the PATH", .{});
    const compile = b.addSystemCommand(&.{compiler});
    compile.addArgs(flags);
    // Other compilers than the one in Zig have other warnings.
    compile.addArgs(&.{ "-Wno-error", "-fsanitize=address", "-fno-omit-frame-pointer", "-O1", "-g", "-pthread" });
    compile.addPrefixedDirectoryArg("-I", b.path("csrc"));
    for (all) |sources| {
        for (sources.files) |file| compile.addFileArg(b.path(b.pathJoin(&.{ sources.folder, file })));
        for (filesIn(b, sources.folder, ".h")) |file| {
            compile.addFileInput(b.path(b.pathJoin(&.{ sources.folder, file })));
        }
    }
    return compile.addPrefixedOutputFileArg("-o", name);
}

fn createModule(b: *Build, settings: Settings) *Build.Module {
    const module = b.createModule(.{
        .target = settings.target,
        .optimize = settings.optimize,
        .link_libc = true,
        .pic = true,
        .strip = settings.strip,
        .omit_frame_pointer = true,
        .sanitize_c = if (settings.sanitizer == .undefined) .full else .off,
        .sanitize_thread = settings.sanitizer == .thread,
    });
    for (systemLibraries(settings)) |library| module.linkSystemLibrary(library, .{});
    return module;
}

/// What a system's part of the library needs besides libc.
fn systemLibraries(settings: Settings) []const []const u8 {
    return if (settings.target.result.os.tag == .windows) &.{ "advapi32", "bcrypt", "ntdll" } else &.{};
}

fn cFlags(b: *Build, settings: Settings, more: []const []const u8) []const []const u8 {
    const assertions: []const []const u8 = if (settings.assertions) &.{"-DMM_ASSERT=1"} else &.{};
    const build_id: []const []const u8 = if (settings.build_id) |id|
        b.allocator.dupe([]const u8, &.{b.fmt("-DMM_BUILD_ID=\"{s}\"", .{id})}) catch @panic("OOM")
    else
        &.{};
    return std.mem.concat(b.allocator, []const u8, &.{ &c_flags, assertions, build_id, more }) catch @panic("OOM");
}

/// Everything in csrc/, with the files of one operating system only: os_linux.c,
/// whatever else begins with os_linux, and what POSIX systems share.
fn librarySources(b: *Build, settings: Settings) Sources {
    const os_prefix = osPrefix(settings);
    const is_posix = settings.target.result.os.tag != .windows;
    var files: std.ArrayList([]const u8) = .empty;
    for (filesIn(b, "csrc", ".c")) |file| {
        const fits = !std.mem.startsWith(u8, file, "os_") or std.mem.startsWith(u8, file, os_prefix) or
            (is_posix and std.mem.startsWith(u8, file, "os_posix"));
        if (fits) files.append(b.allocator, file) catch @panic("OOM");
    }
    return .{ .folder = "csrc", .files = files.items };
}

fn osPrefix(settings: Settings) []const u8 {
    const os = settings.target.result.os.tag;
    return if (os == .macos) "os_darwin" else switch (os) {
        inline else => |tag| "os_" ++ @tagName(tag),
    };
}

/// A folder's files with this extension, in a fixed order; none if there is no such folder.
fn filesIn(b: *Build, folder: []const u8, extension: []const u8) []const []const u8 {
    var files: std.ArrayList([]const u8) = .empty;
    const io = b.graph.io;
    var dir = b.build_root.handle.openDir(io, folder, .{ .iterate = true }) catch |err| switch (err) {
        error.FileNotFound => return &.{},
        else => std.debug.panic("cannot read {s}: {t}", .{ folder, err }),
    };
    defer dir.close(io);
    var entries = dir.iterate();
    while (entries.next(io) catch |err| std.debug.panic("cannot read {s}: {t}", .{ folder, err })) |entry| {
        if (!std.mem.endsWith(u8, entry.name, extension)) continue;
        files.append(b.allocator, b.dupe(entry.name)) catch @panic("OOM");
    }
    std.mem.sort([]const u8, files.items, {}, lessThan);
    return files.items;
}

fn lessThan(_: void, a: []const u8, b: []const u8) bool {
    return std.mem.lessThan(u8, a, b);
}

fn isAmong(names: ?[]const []const u8, name: []const u8) bool {
    for (names orelse return true) |one| if (std.mem.eql(u8, one, name)) return true;
    return false;
}

fn isTest(file: []const u8) bool {
    return std.mem.endsWith(u8, file, "_test.c");
}

fn stem(file: []const u8) []const u8 {
    return std.fs.path.stem(file);
}
