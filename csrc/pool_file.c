/* pool_file.c - see pool_file.h. */
#include "pool_file.h"

#include <errno.h>

#include "geometry.h"

#define UNLINK_PATIENCE_MS 1000u

int mm__system_status(int error) {
  switch (-error) {
    case 0: return MM_OK;
    case ENOSPC:
    case EDQUOT: return MM_E_FS_FULL;
    case EFBIG: return MM_E_TOO_LARGE;
    case ENOSYS: return MM_E_NO_PROC;
    default: return MM_E_SYSTEM(-error);
  }
}

int mm__file_directory(const char *path, int *directory) {
  const int error = mm__os_open_directory(path, directory);
  return error == -ENOTSUP || error == -ENOTDIR ? MM_E_DIRECTORY
                                                : mm__system_status(error);
}

/* ---- Reading ----------------------------------------------------------- */

int mm__file_birth(int file, const mm__os_file *description, mm__birth *birth) {
  if (description->size < sizeof(mm__header)) return MM_E_NOT_A_POOL;
  const int error = mm__os_read(file, birth, sizeof *birth, 0);
  if (error != 0) return mm__system_status(error);
  if (birth->magic != MM__MAGIC) return MM_E_NOT_A_POOL;
  if (birth->layout_version != MM__LAYOUT_VERSION ||
      birth->header_size != sizeof(mm__header))
    return MM_E_VERSION;
  if (!mm__geometry_is_valid(&birth->geometry) ||
      birth->geometry.file_size != description->size ||
      birth->geometry.page_size != mm__os_page_size())
    return MM_E_CORRUPT;
  return MM_OK;
}

int mm__file_destroyed(int file, uint32_t *destroyed) {
  return mm__system_status(mm__os_read(file, destroyed, sizeof *destroyed,
                                       offsetof(mm__header, destroyed)));
}

/* ---- Removing names ---------------------------------------------------- */

int mm__file_unlink(int file, int directory, const char *file_name) {
  int error = -EAGAIN;
  for (uint32_t waited = 0; waited <= UNLINK_PATIENCE_MS; waited++) {
    error = mm__os_lock_byte(file, MM__UNLINK_BYTE);
    if (error != -EAGAIN) break;
    mm__os_sleep(1000000);
  }
  if (error == -EAGAIN) return MM_E_BUSY;
  if (error == 0) error = mm__os_unlink(file, directory, file_name);
  return mm__system_status(error);
}

int mm__file_finish_destroyed(int directory, const char *file_name) {
  int file;
  if (mm__os_open(directory, file_name, &file) != 0) return 0;
  mm__os_file description;
  mm__birth birth;
  uint32_t destroyed = 0;
  const int is_free =
      mm__os_describe(file, &description) == 0 &&
      mm__file_birth(file, &description, &birth) == MM_OK &&
      mm__file_destroyed(file, &destroyed) == MM_OK && destroyed != 0 &&
      mm__file_unlink(file, directory, file_name) == MM_OK;
  mm__os_close(file); /* and with it goes the lock on MM__UNLINK_BYTE */
  return is_free;
}
