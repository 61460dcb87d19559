/* pools.c - see pools.h. */
#include "pools.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BYTES_PER_WORKER 65536u
#define RECORDS_PER_WORKER 24u

static mm_pool *make(const mm_pool_options *options) {
  mm_pool *pool;
  const int status = mm_pool_create(options, &pool);
  if (status == MM_OK) return pool;
  fprintf(stderr, "Cannot create pool \"%s\": %s\n", options->name,
          mm_strerror(status));
  exit(1);
}

void pools_make_board(warden *warden) {
  char name[MM_NAME_MAX + 1];
  snprintf(name, sizeof name, "%s.board", warden->options.name);
  const uint64_t size =
      sizeof(board) + MEMBERS_MAX * sizeof(board_cell);
  warden->quiet = make(&(mm_pool_options){.size = size, .name = name});
  mm_allocation allocation;
  unsigned char bytes[MM_DESCRIPTOR_MAX];
  size_t length = 0;
  if (mm_alloc(warden->quiet, size, MM_TYPE_DATA, &allocation) != MM_OK ||
      mm_allocation_serialize(warden->quiet, &allocation, bytes, sizeof bytes,
                              &length) != MM_OK)
    exit(1);
  for (size_t at = 0; at < length; at++)
    snprintf(warden->board_descriptor + 2 * at, 3, "%02x", bytes[at]);
  warden->board = mm_address(warden->quiet, &allocation);
  memset(warden->board, 0, size);
}

void pools_make_next(warden *warden) {
  dice *dice = &warden->dice;
  board *board = warden->board;
  const uint64_t number = board_load(&board->pool) + 1;
  char name[MM_NAME_MAX + 1];
  snprintf(name, sizeof name, "%s.%llu", warden->options.name,
           (unsigned long long)number);
  warden->has_limit = dice_percent(dice, 20);
  const mm_pool_options options = {
      .size = (uint64_t)warden->members_count * BYTES_PER_WORKER *
              (1 + dice_below(dice, 3)),
      .name = name,
      .uid = number,
      .min_block_size = (uint64_t)MM_MIN_BLOCK_SIZE << dice_below(dice, 3),
      .max_allocations =
          warden->has_limit ? warden->members_count * RECORDS_PER_WORKER : 0,
  };
  warden->pool = make(&options);
  warden->size = mm_pool_describe(warden->pool)->size;
  warden->reserve = 0;
  warden->report.pools++;

  unsigned char bytes[MM_DESCRIPTOR_MAX];
  size_t length = 0;
  mm_pool_serialize(warden->pool, bytes, sizeof bytes, &length);
  /* Who reads while this changes sees that the number did. */
  board_store(&board->pool, 0);
  for (size_t at = 0; at < length; at++)
    board_store(&board->descriptor[at], bytes[at]);
  board_store(&board->descriptor_length, length);
  board_store(&board->pool, number);
}

void pools_take_reserve(warden *warden) {
  mm_allocation allocation;
  const int status =
      mm_alloc(warden->pool, warden->size / 2, MM_TYPE_DATA, &allocation);
  if (status == MM_OK)
    warden->reserve = allocation.id;
  else
    report_violation(&warden->report, "half of an empty pool: %s",
                     mm_strerror(status));
}

void pools_end(warden *warden) {
  mm_pool_destroy(warden->pool);
  mm_pool_detach(warden->pool);
  mm_pool_destroy(warden->quiet);
  mm_pool_detach(warden->quiet);
}
