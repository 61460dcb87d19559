/* wait.pml - waiting for room, for spin: csrc/wait.c, and the parts of
 * allocate.c, handle.c and participants.c that it works with.
 *
 * Two waiters, slots 0 and 1, ask for room with mm_alloc_blocking(); the one in
 * slot 0 has the older ticket. FREERS give some back with mm_free(), and with
 * BARGERS somebody takes one past the queue with mm_alloc(). At most DEATHS
 * times one of them is killed, wherever it stands, or stopped for good. How to
 * run it, and what is left out: README.md.
 *
 * The lock is taken for right (see lock.pml), so an `atomic` holds all that one
 * does under it; may_die() stands wherever the dead leave something else.
 */
#ifndef SIZES
#define SIZES 1, 1  /* what each waiter asks for */
#endif
#ifndef ASKS
#define ASKS 1      /* how often the younger one does */
#endif
#ifndef FREERS
#define FREERS 1    /* 1 or 2 */
#endif
#ifndef GIVES
#define GIVES 1     /* what each of them frees, if it does */
#endif
#ifndef ROOM
#define ROOM 0      /* what is free at the start */
#endif
#ifndef BARGERS
#define BARGERS 0   /* 0 or 1 */
#endif
#ifndef DEATHS
#define DEATHS 0
#endif
#ifndef BUSY
#define BUSY 0      /* how often waiters lose patience with the lock, at most */
#endif
#ifndef LEAVES
#define LEAVES 0    /* 1: a waiter's time may be up, or it detaches */
#endif
#ifndef LOOKS
#define LOOKS 1     /* 1: sleepers look for themselves now and then */
#endif

#define WAITERS 2
#define PASSES_MAX 1
#define PROCESSES (WAITERS + FREERS + BARGERS)
#define NOBODY 255
#define BIT(slot) (1 << (slot))

/* ---- What the processes share ------------------------------------------ */

byte owner = NOBODY;         /* of the lock: the slot that its word names */
byte room = ROOM;            /* what is free */

/* The wait cells, as far as the rules look at them. */
mtype = { NOT, RECENTLY, LONG_AGO };
bool shows[WAITERS];         /* `ticket` is not 0 */
mtype told[WAITERS] = NOT;   /* `told_at`, by PATIENCE */
byte passes[WAITERS];
bool raised[WAITERS];        /* `wake` is not what the waiter has seen */
byte tried = 255;            /* bit per slot whose `tried` is `frees` + 1; at
                                first all, from earlier requests */
bool freed_recently;         /* `freed_at`, by HOLD */

/* ---- In the kernel ------------------------------------------------------- */

bool asleep[WAITERS];        /* each on its own `wake` */

/* The file lock on a slot's first byte. It outlives its holder for a while. */
mtype = { FREE, HELD, LEFT_BEHIND };
mtype file_lock[PROCESSES] = HELD;

/* ---- For the checks and for killing ------------------------------------- */

byte size[WAITERS] = { SIZES };
byte gives[FREERS] = { GIVES };
bool waits[WAITERS] = true;  /* goes on, and is not served */
byte deaths, busy;

#define FITS(slot) (room >= size[slot])
#define IS_ALIVE(slot) (file_lock[slot] != FREE) /* mm__participant_is_alive() */

/* kill -9, or kill -STOP for good: memory stays as it is, and the file lock for
 * now, or for good. With the lock it is killed, or nobody would go on. */
inline die() {
  deaths++;
  if
  :: file_lock[me] = LEFT_BEHIND
  :: owner != me
  fi;
  if
  :: me < WAITERS -> waits[me] = false; asleep[me] = false
  :: else
  fi;
  goto dead
}

inline may_die() {
  if
  :: deaths < DEATHS -> die()
  :: true
  fi
}

/* ---- handle.c -------------------------------------------------------------- */

/* mm__lock(), with mm__lock_inherit(): recovers if the owner has died, or was
 * the last one in this slot. Who is seen to own it has died. */
inline lock(patience) {
  if
  :: owner == NOBODY -> owner = me; status = OK
  :: owner != NOBODY && (!IS_ALIVE(owner) || owner == me) ->
    owner = me;
    status = OK;
    may_die();
#ifndef BROKEN_RECOVERY_NOT_COUNTED
    tried = 0 /* mm__recover() counts a free */
#endif
  :: patience == SHORT && busy < BUSY -> busy++; status = IS_BUSY
  fi;
  may_die()
}

inline unlock() {
  may_die();
  owner = NOBODY
}

/* ---- wait.c ---------------------------------------------------------------- */

mtype = { OK, NO_ROOM, QUEUED, IS_BUSY }; /* how a call ends */
mtype = { SHORT, LONG };                  /* patience with the lock */

#ifdef BROKEN_HOLDS_FOR_EVER
#define IS_HELD_FOR(slot) (passes[slot] >= PASSES_MAX && !FITS(slot))
#else
#define IS_HELD_FOR(slot) \
  (passes[slot] >= PASSES_MAX && freed_recently && !FITS(slot))
#endif

/* mm__wait_clear() */
inline clear(slot) {
  shows[slot] = false;
  told[slot] = NOT;
  passes[slot] = 0
}

inline tell(slot) {
  told[slot] = RECENTLY;
  may_die();
  raised[slot] = true;
  to_wake = slot
}

inline tell_next() {
  at = 0;
  do
  :: at == WAITERS -> break
  :: at < WAITERS && !shows[at] -> at++
  :: at < WAITERS && shows[at] ->
    if
    :: IS_HELD_FOR(at) -> break
    :: !IS_HELD_FOR(at) &&
      (tried & BIT(at) || told[at] == LONG_AGO || !FITS(at)) -> at++
    :: else ->
      if
      :: at == me -> break /* it is about to try */
      :: at != me && !IS_ALIVE(at) -> clear(at); at++
      :: at != me && IS_ALIVE(at) ->
        if
        :: told[at] == NOT -> tell(at)
        :: else /* it has its turn */
        fi;
        break
      fi
    fi
  od;
  at = 0
}

/* mm__wait_turn(): OK or QUEUED. */
inline wait_turn() {
  at = 0;
  do
  :: at == me -> break
  :: at < me && !shows[at] -> at++
  :: at < me && shows[at] ->
    if
    :: !FITS(at) && !IS_HELD_FOR(at) -> passed = passed | BIT(at); at++
    :: FITS(at) && (tried & BIT(at) || told[at] == LONG_AGO) -> at++
    :: else ->
      if
      :: !IS_ALIVE(at) -> clear(at); at++
      :: else -> /* it goes first */
        status = QUEUED;
        if
        :: FITS(at) && told[at] == NOT -> tell(at)
        :: else
        fi;
        break
      fi
    fi
  od;
  at = 0
}

/* mm__wait_tried() */
inline wait_tried() {
  if
  :: shows[me] ->
    tried = tried | BIT(me);
    told[me] = NOT;
    if
    :: status == OK -> passes[me] = 0
    :: else
    fi
  :: else
  fi;
  if
  :: status == OK ->
    for (at : 0 .. WAITERS - 1) {
      if
      :: passed & BIT(at) && passes[at] < PASSES_MAX -> passes[at]++
      :: else
      fi
    }
    at = 0
  :: else
  fi
}

/* mm__wait_wake(): after unlocking. */
inline wake() {
  if
  :: to_wake == NOBODY
  :: atomic { to_wake != NOBODY ->
      may_die();
      asleep[to_wake] = false;
      to_wake = NOBODY
    }
  fi
}

/* mm_wait_show(): of the request, or of none. */
inline wait_show(request) {
  atomic {
    lock(SHORT);
    if
    :: status == OK ->
      if
      :: !request -> clear(me)
      :: request && !shows[me] -> clear(me); shows[me] = true
      :: request && shows[me]
      fi;
      may_die();
#ifdef BROKEN_TELLS_NOBODY_NEXT
      if
      :: request -> tell_next()
      :: else
      fi;
#else
      tell_next();
#endif
      unlock()
    :: else
    fi
  };
  wake()
}

/* mm_wait_try(): mm__allocate() with a ticket. */
inline wait_try() {
  atomic {
    lock(SHORT);
    if
    :: status == OK ->
      wait_turn();
      may_die();
      if
      :: status == QUEUED -> told[me] = NOT /* mm__wait_queued() */
      :: else ->
        if
        :: FITS(me) -> room = room - size[me]; waits[me] = false
        :: else -> status = NO_ROOM
        fi;
        may_die();
        wait_tried()
      fi;
      passed = 0;
      unlock()
    :: else
    fi
  };
  wake()
}

/* mm_wait(): for 50 ms if the request was queued or the lock busy; else for 250
 * ms, which count as endless here, with a look at each slice. */
#ifdef BROKEN_SLEEPS_LONG_WHEN_BUSY
#define IS_SHORT (status == QUEUED)
#else
#define IS_SHORT (status == QUEUED || status == IS_BUSY)
#endif

inline wait_sleep() {
  atomic { may_die(); last_owner = owner; asleep[me] = !raised[me] };
  do
  :: atomic { !asleep[me] -> break }
  :: atomic { asleep[me] && (LOOKS || IS_SHORT) ->
      if
      :: IS_SHORT || !(tried & BIT(me)) ||
        (owner != NOBODY && owner == last_owner) ->
        asleep[me] = false;
        break
      :: else -> last_owner = owner
      fi
    }
  :: atomic { asleep[me] && deaths < DEATHS -> die() }
  od;
  last_owner = NOBODY
}

/* ---- Processes --------------------------------------------------------------- */

/* mm_free() */
inline free(bytes) {
  atomic {
    lock(LONG);
    room = room + bytes;
    may_die();
    tried = 0; /* `frees` is raised */
    freed_recently = true;
    may_die();
    tell_next();
    unlock()
  };
  wake()
}

/* mm__participant_leave() of one that waits. */
inline leave() {
  atomic {
    lock(LONG);
    waits[me] = false;
    clear(me);
    unlock()
  };
  wake();
  goto end
}

/* Somebody may join in the slot of the dead: occupy(). */
inline newcomer() {
  if
  :: atomic { file_lock[me] == FREE -> file_lock[me] = HELD };
    atomic {
      lock(LONG);
      if
      :: me < WAITERS -> clear(me)
      :: else
      fi;
      unlock()
    }
  :: true
  fi
}

proctype waiter(byte me) {
  byte at, passed;
  byte to_wake = NOBODY, last_owner = NOBODY;
  mtype status = OK;
  bool asks_again = me == 1 && ASKS > 1;

ask:
  do
  :: raised[me] = false; /* mm_wait_begin() */
#ifdef BROKEN_TRIES_BEFORE_IT_SHOWS
    wait_try();
    wait_show(true);
#else
    wait_show(true);
    wait_try();
#endif
#ifdef BROKEN_SEEN_AFTER_TRY
    raised[me] = false;
#endif
    if
    :: !waits[me] -> break
    :: else -> wait_sleep()
    fi;
    if
    :: true -> status = OK
    :: LEAVES -> /* MM_E_TIMEOUT */
      waits[me] = false;
      wait_show(false);
      goto end
    :: LEAVES -> leave()
    fi
  od;
  wait_show(false);
  if
  :: free(size[me])
  :: true /* keeps it */
  fi;
  if
  :: atomic { asks_again -> asks_again = false; waits[me] = true; goto ask }
  :: else
  fi;
  goto end;

dead:
  atomic {
    at = 0; passed = 0; to_wake = NOBODY; last_owner = NOBODY; status = OK;
    asks_again = false
  };
  newcomer();
end:
  skip
}

proctype freer(byte me) {
  byte at;
  byte to_wake = NOBODY;
  mtype status = OK;

  if
  :: free(gives[me - WAITERS])
  :: true /* keeps it */
  fi;
  goto end;

dead:
  atomic { at = 0; to_wake = NOBODY; status = OK };
  newcomer();
end:
  skip
}

/* mm_alloc(): does not queue. */
proctype barger(byte me) {
  mtype status = OK;

  atomic {
    lock(LONG);
    if
    :: room > 0 -> room--
    :: else
    fi;
    unlock()
  };
  goto end;

dead:
  newcomer();
end:
  skip
}

/* ---- Time and the kernel ----------------------------------------------------- */

proctype clock() {
end:
  do
#ifndef BROKEN_NO_PATIENCE
  :: d_step { told[0] == RECENTLY -> told[0] = LONG_AGO }
  :: d_step { told[1] == RECENTLY -> told[1] = LONG_AGO }
#endif
  :: d_step { freed_recently -> freed_recently = false }
  od
}

/* Closes the files of the dead, some time later. */
inline close_files(slot) {
  d_step { file_lock[slot] == LEFT_BEHIND -> file_lock[slot] = FREE }
}

proctype kernel() {
end:
  do
  :: close_files(0)
  :: close_files(1)
  :: close_files(2)
#if PROCESSES > 3
  :: close_files(3)
#endif
#if PROCESSES > 4
  :: close_files(4)
#endif
  od
}

/* Sleeping for ever is a cycle, not an end. */
proctype world() {
end:
  do
  :: waits[0] || waits[1]
  od
}

init {
  atomic {
    run waiter(0);
    run waiter(1);
    run freer(WAITERS);
#if FREERS > 1
    run freer(WAITERS + 1);
#endif
#if BARGERS > 0
    run barger(WAITERS + FREERS);
#endif
    run clock();
    run kernel();
    run world()
  }
}

/* Nobody sleeps for ever beside room that is large enough. */
#define SERVED(slot) (!waits[slot] || !FITS(slot))
ltl nobody_stuck { ([]<> SERVED(0)) && ([]<> SERVED(1)) }
