// The native library's functions, as far as this module calls them. Their
// meaning is documented in csrc/managed_memory.h and managed_memory_ffi.h.
//
// A 32-bit half of an id is declared as i32: JavaScript keeps those as small
// integers, and the bits are the same.

export const SYMBOLS = {
  mm_abi_version: { parameters: [], result: "u32" },
  mm_build_id: { parameters: [], result: "pointer" },

  mm_ffi_pool_create: {
    parameters: [
      "f64", // double size
      "buffer", // const char *name
      "u64", // uint64_t uid
      "f64", // double min_block_size
      "f64", // double max_allocations
      "u32", // uint32_t mode
      "buffer", // const char *directory
      "buffer", // const uint64_t *pre_allocate
      "u32", // uint32_t pre_allocate_count
      "u32", // uint32_t numa_node_plus_1
      "buffer", // mm_pool **pool
    ],
    result: "i32",
  },
  mm_pool_attach: {
    parameters: [
      "pointer", // const void *descriptor
      "usize", // size_t length
      "buffer", // mm_pool **pool
    ],
    result: "i32",
  },
  mm_pool_detach: {
    parameters: [
      "pointer", // mm_pool *pool
    ],
    result: "void",
  },
  mm_pool_detach_keep_mapping: {
    parameters: [
      "pointer", // mm_pool *pool
    ],
    result: "void",
  },
  mm_pool_destroy: {
    parameters: [
      "pointer", // mm_pool *pool
    ],
    result: "i32",
  },
  mm_pool_describe: {
    parameters: [
      "pointer", // const mm_pool *pool
    ],
    result: "pointer",
  },
  mm_default_directory: {
    parameters: [],
    result: "pointer",
  },
  mm_pool_probe: {
    parameters: [
      "buffer", // const char *name
      "buffer", // const char *directory
      "buffer", // mm_pool_entry *entry
    ],
    result: "i32",
  },
  mm_pool_remove: {
    parameters: [
      "buffer", // const char *name
      "buffer", // const char *directory
      "u32", // uint32_t force
    ],
    result: "i32",
  },
  mm_ffi_pool_list: {
    parameters: [
      "buffer", // const char *directory
      "buffer", // void *entries
      "u32", // uint32_t capacity
    ],
    result: "i32",
  },

  mm_ffi_results_of: {
    parameters: [
      "pointer", // mm_pool *pool
    ],
    result: "pointer",
  },
  mm_ffi_data: {
    parameters: [
      "pointer", // const mm_pool *pool
    ],
    result: "pointer",
  },
  mm_ffi_alloc: {
    parameters: [
      "pointer", // mm_pool *pool
      "f64", // double size
      "u32", // uint32_t type
    ],
    result: "i32",
  },
  mm_ffi_free: {
    parameters: [
      "pointer", // mm_pool *pool
      "i32", // uint32_t id_low
      "i32", // uint32_t id_high
    ],
    result: "i32",
  },
  mm_ffi_find: {
    parameters: [
      "pointer", // mm_pool *pool
      "i32", // uint32_t id_low
      "i32", // uint32_t id_high
    ],
    result: "i32",
  },
  mm_ffi_resize: {
    parameters: [
      "pointer", // mm_pool *pool
      "i32", // uint32_t id_low
      "i32", // uint32_t id_high
      "f64", // double size
    ],
    result: "i32",
  },
  mm_ffi_hash: {
    parameters: [
      "pointer", // mm_pool *pool
      "f64", // double offset
      "f64", // double size
    ],
    result: "i32",
  },
  mm_ffi_clear: {
    parameters: [
      "pointer", // mm_pool *pool
      "f64", // double offset
      "f64", // double size
    ],
    result: "i32",
  },
  mm_ffi_write: {
    parameters: [
      "pointer", // mm_pool *pool
      "f64", // double offset
      "f64", // double size
      "buffer", // const void *source
    ],
    result: "i32",
  },
  mm_ffi_copy: {
    parameters: [
      "pointer", // mm_pool *pool
      "f64", // double offset
      "f64", // double size
      "pointer", // const mm_pool *from
      "f64", // double from_offset
    ],
    result: "i32",
  },
  mm_ffi_equals: {
    parameters: [
      "pointer", // const mm_pool *pool
      "f64", // double offset
      "f64", // double size
      "pointer", // const mm_pool *other
      "f64", // double other_offset
    ],
    result: "i32",
  },
  mm_ffi_read_stats: {
    parameters: [
      "pointer", // mm_pool *pool
    ],
    result: "i32",
  },
  mm_ffi_owner_of: {
    parameters: [
      "pointer", // mm_pool *pool
      "i32", // uint32_t id_low
      "i32", // uint32_t id_high
    ],
    result: "i32",
  },
  mm_ffi_adopt: {
    parameters: [
      "pointer", // mm_pool *pool
      "i32", // uint32_t id_low
      "i32", // uint32_t id_high
    ],
    result: "i32",
  },
  mm_ffi_reclaim: {
    parameters: [
      "pointer", // mm_pool *pool
    ],
    result: "i32",
  },
  mm_ffi_pool_trim: {
    parameters: [
      "pointer", // mm_pool *pool
    ],
    result: "f64",
  },
  mm_ffi_list: {
    parameters: [
      "pointer", // mm_pool *pool
      "u32", // uint32_t restart
      "f64", // double type
      "buffer", // void *entries
      "u32", // uint32_t capacity
    ],
    result: "i32",
  },
  mm_ffi_list_free_blocks: {
    parameters: [
      "pointer", // mm_pool *pool
      "u32", // uint32_t restart
      "buffer", // void *sizes
      "u32", // uint32_t capacity
    ],
    result: "i32",
  },

  mm_ffi_pool_serialize: {
    parameters: [
      "pointer", // const mm_pool *pool
      "pointer", // void *buffer
      "u32", // uint32_t capacity
    ],
    result: "i32",
  },
  mm_ffi_allocation_serialize: {
    parameters: [
      "pointer", // const mm_pool *pool
      "i32", // uint32_t id_low
      "i32", // uint32_t id_high
      "u32", // uint32_t type
      "pointer", // void *buffer
      "u32", // uint32_t capacity
    ],
    result: "i32",
  },
  mm_ffi_descriptor_read: {
    parameters: [
      "pointer", // const void *bytes
      "u32", // uint32_t length
      "pointer", // mm_descriptor *descriptor
    ],
    result: "i32",
  },
  mm_ffi_default_pool: {
    parameters: [
      "pointer", // void *buffer
      "u32", // uint32_t capacity
    ],
    result: "i32",
  },
  mm_host_identity: {
    parameters: [
      "buffer", // uint8_t identity[16]
    ],
    result: "i32",
  },

  mm_ffi_wait_ticket: {
    parameters: [
      "pointer", // mm_pool *pool
    ],
    result: "i32",
  },
  mm_ffi_wait_try: {
    parameters: [
      "pointer", // mm_pool *pool
      "f64", // double ticket
      "f64", // double size
      "u32", // uint32_t type
    ],
    result: "i32",
  },
  mm_ffi_wait_show: {
    parameters: [
      "pointer", // mm_pool *pool
      "f64", // double ticket
      "f64", // double size
      "f64", // double smallest
    ],
    result: "i32",
  },
  mm_wait_begin: {
    parameters: [
      "pointer", // mm_pool *pool
    ],
    result: "u32",
  },
  mm_wait: {
    parameters: [
      "pointer", // mm_pool *pool
      "u32", // uint32_t seen
      "u32", // uint32_t timeout_ms
    ],
    result: "i32",
  },
  mm_park_prepare: {
    parameters: [
      "pointer", // mm_pool *pool
    ],
    result: "void",
  },
  mm_park: {
    parameters: [
      "pointer", // mm_pool *pool
      "u32", // uint32_t seen
      "u32", // uint32_t timeout_ms
    ],
    result: "i32",
    nonblocking: true,
  },
  mm_unpark: {
    parameters: [
      "pointer", // mm_pool *pool
    ],
    result: "void",
  },

  mm_inspect_open: {
    parameters: [
      "buffer", // const char *name
      "buffer", // const char *directory
      "buffer", // mm_inspector **inspector
    ],
    result: "i32",
  },
  mm_inspect_close: {
    parameters: [
      "pointer", // mm_inspector *inspector
    ],
    result: "void",
  },
  mm_inspect_pool: {
    parameters: [
      "pointer", // mm_inspector *inspector
      "buffer", // mm_pool_view *view
    ],
    result: "i32",
  },
  mm_inspect_participants: {
    parameters: [
      "pointer", // mm_inspector *inspector
      "buffer", // mm_participant_view *entries
      "usize", // size_t capacity
      "buffer", // size_t *count
    ],
    result: "i32",
  },
  mm_inspect_records: {
    parameters: [
      "pointer", // mm_inspector *inspector
      "buffer", // uint64_t *cursor
      "buffer", // mm_record_view *entries
      "usize", // size_t capacity
      "buffer", // size_t *count
    ],
    result: "i32",
  },
} as const satisfies Deno.ForeignLibraryInterface;

/** The native library's functions. */
export type Native = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];
