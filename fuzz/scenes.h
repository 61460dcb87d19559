/* scenes.h - the pools that the image fuzzer damages: each made once, kept as
 * an image, and put back after every input.
 */
#ifndef SCENES_H
#define SCENES_H

#include <stddef.h>
#include <stdint.h>

#include "layout.h"

#define SCENES 7u
#define SCENE_LIVE_MAX 72u

/* The name under which the scene that is on can be attached to. */
#define SCENE_NAME "scene"

typedef struct scene {
  const char *title;
  mm__geometry geometry;
  unsigned char descriptor[MM_DESCRIPTOR_MAX];
  size_t descriptor_length;
  mm_allocation live[SCENE_LIVE_MAX]; /* some of what lives in it */
  uint32_t live_count;
  uint64_t now;        /* when the image was taken */
  uint32_t slots;      /* committed ones */
  uint32_t records;    /* committed ones */
  uint8_t *bytes;      /* the file, mapped: the fuzzer's own view of it */
  const uint8_t *image; /* as the file's head, up to the data, was */
  char link[256];      /* a second name of the file, which nobody removes */
  int neighbours;      /* file that holds the locks on the living slots */
} scene;

/* Slots of a scene whose participants live, and never do anything. All others
 * that are not 0 are those of the dead. */
#define SCENE_ALIVE_A 1u
#define SCENE_ALIVE_B 3u

/* Of the caches, that much is damaged: the first entries of the slots that are
 * taken, and where there are no caches as much of the records. */
#define CACHES_EACH 256u /* bytes */
#define CACHES_SIZE (4u * CACHES_EACH)

extern scene the_scenes[SCENES];

/* Makes all. */
void scenes_make(void);

/* Lets the name lead to the scene, whatever became of it. */
void scene_begin(const scene *scene);

/* Puts its image back. */
void scene_end(const scene *scene);

#endif
