/* population.h - the workers: starting, stopping and killing them. */
#ifndef POPULATION_H
#define POPULATION_H

#include "warden.h"

/* Starts a process in the place of a dead one. */
void population_spawn(warden *warden, uint32_t index);

/* Kills it, waits until it is gone, and looks whether it had the lock. Does not
 * start another. Answers when it was gone, in ns. */
uint64_t population_kill(warden *warden, uint32_t index);

/* Stops it until `continue_at`. 1 if it stands inside the lock. */
int population_stop(warden *warden, uint32_t index, uint64_t continue_at);

/* Has a C worker end itself by SIGKILL or SIGSTOP at a random instruction of a
 * call, inside the lock, or, if `place` is FUSE_OUTSIDE, not 0, outside of it; 1
 * if it came to that. It is then to be killed or stopped as any other. */
int population_fuse(warden *warden, uint32_t index, int signal, uint64_t place);

/* Continues those whose time has come by `now`. */
void population_continue(warden *warden, uint64_t now);

/* 1 if somebody was stopped. */
int population_has_stopped(const warden *warden);

/* The member of that process, or UINT32_MAX. */
uint32_t population_find(const warden *warden, pid_t pid);

/* Adds what the members' cells say to the report. */
void population_count(warden *warden);

/* Reaps a process that was killed; 1 if the lock names it. Anything else than
 * the kill that ended it is a violation. */
int population_bury(warden *warden, pid_t pid, const char *who);

#endif
