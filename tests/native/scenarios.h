/* scenarios.h - operations to be interrupted, and how a pool must be afterwards.
 *
 * A scene is a pool in a known state, seen by an observer, and a child that
 * performs one operation on it through an attachment of its own. However the
 * child ends, scene_judge() knows what may have become of the pool.
 */
#ifndef SCENARIOS_H
#define SCENARIOS_H

#include "harness.h"
#include "single_step.h"

#define SCENE_KEPT_MAX 80u
#define SCENE_GOING_MAX 8u
#define SCENE_OTHERS_MAX 32u
#define SCENE_NO_REQUEST UINT64_MAX
#define SCENE_TYPE 5u

/* In place of the size of a file system: in /dev/shm, in a directory of its own,
 * so that a list of the pools is the same whatever else runs on the machine. */
#define SCENE_ALONE UINT64_MAX

/* What the child did, in memory shared with it. */
typedef struct scene_result {
  int status;
  mm_allocation allocation;
} scene_result;

typedef struct scene {
  const struct scenario *scenario;
  char name[128];
  const char *directory;
  mm_pool *pool;                         /* the observer's */
  mm_pool *others[SCENE_OTHERS_MAX];     /* more handles, detached by the judge */
  uint32_t others_count;
  unsigned char descriptor[MM_DESCRIPTOR_MAX];
  size_t descriptor_length;
  mm_allocation kept[SCENE_KEPT_MAX];    /* live throughout, with their tags */
  uint32_t kept_count;
  mm_allocation going[SCENE_GOING_MAX];  /* freed by the child */
  uint32_t going_count;
  mm_allocation resized;                 /* kept[0] as the child makes it; id 0: it
                                            does not */
  uint64_t request;                      /* bytes that the child allocates */
  mm_pool *waiter;      /* tried in vain; must notice when `going` is free; or NULL */
  uint64_t waiter_ticket;
  uint64_t waiter_size; /* bytes */
  uint32_t waiter_seen; /* as of mm_wait_begin() */
  int waiter_is_second; /* 1: somebody else has the lock before it */
  scene_result *result;
} scene;

typedef struct scenario {
  const char *name;
  uint64_t size;          /* of the pool, in bytes */
  void (*prepare)(scene *scene);
  /* In the child, between step_begin() and step_end(). */
  int (*act)(scene *scene, mm_pool *pool);
  int (*on_sleep)(void *scene);  /* in the observer, see step_child; may be NULL */
  enum {
    SCENE_ATTACHED,  /* the child attaches before it acts */
    SCENE_INHERITED, /* it acts through the observer's handle, after fork() */
    SCENE_DETACHED,  /* it has no handle */
    SCENE_CREATES,   /* there is no pool before, and perhaps one after */
    SCENE_DESTROYS,  /* there is a pool before, and perhaps none after */
  } kind;
  /* Bytes, of one that the pool has for itself; 0: /dev/shm; SCENE_ALONE. */
  uint64_t file_system;
  /* In the child, before it acts: fills its cache. May be NULL. */
  void (*warm)(scene *scene, mm_pool *pool);
} scenario;

extern const scenario scenarios[];
extern const uint32_t scenarios_count;

/* Parts for a second child: they take the lock over from a dead owner, and
 * change nothing else. */
extern const scenario recover_by_lock;
extern const scenario recover_by_attach;

/* The scenario of that name. */
const scenario *scenario_named(const char *name);

/* Makes the pool and brings it into its state. */
void scene_open(scene *scene, const scenario *scenario);

/* Starts a child that plays the scenario's part, or another's on the same
 * scene, and waits until it is about to act. */
step_child scene_start(scene *scene, const scenario *part);

/* Checks everything once the child is gone, frees and takes everything, and
 * removes the pool. `has_finished`: 1 if its operation was done. */
void scene_judge(scene *scene, int has_finished);

/* The bytes in which kill points differ: header, slots and records in use. */
void scene_watch(const scene *scene, step_watch watches[STEP_WATCHES]);

/* 1 if the observer sees the lock taken. */
int scene_is_locked(const scene *scene);

/* Where a scene with a file system of its own keeps the rest of it. */
void scene_filler(const scene *scene, char path[512]);

/* One more allocation by the observer that must live from now on. */
void scene_keep(scene *scene, uint64_t size);

#endif
