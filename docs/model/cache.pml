/* cache.pml - a participant's cache, for spin: csrc/cache.c and sweep.c, and what
 * wait.c and allocate.c do with them.
 *
 * There is one block. Its user allocates and frees it without the lock, through
 * its cache, ROUNDS times; at most DEATHS times it is killed, wherever it stands,
 * and another process takes its slot. A waiter wants the block, too, and shows
 * so, sweeps, sleeps. How to run it, and what is left out: README.md.
 *
 * An `atomic` holds one access to shared memory, or one system call, and what its
 * caller does with it on its own.
 */
#ifndef ROUNDS
#define ROUNDS 2
#endif
#ifndef DEATHS
#define DEATHS 0
#endif
#ifndef LOOKS
#define LOOKS 1 /* 1: a sleeper looks through the caches now and then */
#endif

mtype = { FREE, LIVE, CACHED, CLAIMED };
mtype = { NOBODY, USER, WAITER, THE_DEAD };

/* ---- What the processes share ------------------------------------------ */

mtype state = FREE;     /* of the block */
bool entry;             /* the user's slot has an entry for it */
bool waiting;           /* a request is shown */
byte wake;              /* futex word: raised by whoever tells the waiter */
byte frees;             /* how often something was freed */
mtype lock = NOBODY;    /* that of the dead is taken over: lock.pml */
bool is_alive = true;   /* whoever has the user's slot */

/* ---- For the checks and for killing ------------------------------------- */

mtype holds = NOBODY;   /* whose allocation the block is */
byte deaths;
bool served, is_over;

inline may_die() {
  if
  :: deaths < DEATHS ->
    deaths++;
    is_alive = false;
    if
    :: lock == USER -> lock = NOBODY; frees++ /* mm__recover() */
    :: else
    fi;
    if
    :: holds == USER -> holds = THE_DEAD
    :: else
    fi;
    goto dead
  :: true
  fi
}

inline take_lock(who) { atomic { lock == NOBODY -> lock = who } }

inline cas(expected, next) {
  if
  :: state == (expected) -> state = (next); ok = true
  :: else -> ok = false
  fi
}

inline becomes_mine(who) {
  assert(holds == NOBODY);
  holds = who
}

/* ---- The user ------------------------------------------------------------ */

/* mm__cache_alloc(): `ok` unless there is nothing in it. */
inline cache_alloc() {
  ok = false;
  if
  :: !is_stacked
  :: else ->
    is_stacked = false;
#ifdef BROKEN_STORES_TO_CLAIM
    atomic { may_die(); ok = (state == CACHED) };
    if
    :: atomic { ok -> may_die(); state = CLAIMED }
    :: else
    fi;
#else
    atomic { may_die(); cas(CACHED, CLAIMED) };
#endif
#ifdef BROKEN_CLEARS_ITS_ENTRY_FIRST
    atomic { may_die(); entry = false };
#endif
    if
    :: atomic { ok -> may_die(); state = LIVE; becomes_mine(USER) }
    :: else
    fi;
    atomic { may_die(); entry = false }
  fi
}

/* mm_alloc() with the lock; `ok` if there is room. */
inline heap_alloc() {
  take_lock(USER);
  atomic { may_die();
    cas(FREE, LIVE);
    if
    :: ok -> becomes_mine(USER)
    :: else
    fi
  };
  atomic { may_die(); lock = NOBODY }
}

/* mm__cache_free(). From the exchange on the block is no allocation any more. */
inline cache_free() {
#ifdef BROKEN_LOOKS_BEFORE_IT_CACHES
  atomic { may_die(); sees_waiter = waiting };
#endif
#ifndef BROKEN_WRITES_ITS_ENTRY_LAST
  atomic { may_die(); entry = true };
#endif
  atomic { may_die();
    assert(holds == USER);
    holds = NOBODY;
    cas(LIVE, CACHED);
    assert(ok)
  };
#ifdef BROKEN_WRITES_ITS_ENTRY_LAST
  atomic { may_die(); entry = true };
#endif
  is_stacked = true;
#ifndef BROKEN_LOOKS_BEFORE_IT_CACHES
  atomic { may_die(); sees_waiter = waiting };
#endif
  if
  :: sees_waiter -> free_for_waiter()
  :: else
  fi;
  sees_waiter = false
}

inline free_for_waiter() {
  take_lock(USER);
  is_stacked = false;
  if
  :: atomic { entry -> may_die(); cas(CACHED, FREE) };
    atomic { may_die(); entry = false }
  :: atomic { !entry -> may_die() } /* swept already */
  fi;
  atomic { may_die(); frees++ };
  atomic { may_die(); lock = NOBODY };
  atomic { may_die(); wake++ }
}

proctype user() {
  bool is_stacked, ok, sees_waiter;
  byte round;

begin:
  do
  :: round == ROUNDS -> break
  :: else ->
    round++;
    cache_alloc();
    if
    :: ok
    :: else -> heap_alloc()
    fi;
    if
    :: ok -> cache_free()
    :: else
    fi
  od;
  goto end; /* it stays, and does nothing any more */

dead:
  atomic { is_stacked = false; ok = false; sees_waiter = false };
  /* Another takes the slot, and what the last one left: mm__cache_inherit(). */
  atomic { lock == NOBODY && holds != THE_DEAD -> lock = USER; is_alive = true };
  if
  :: atomic { entry && (state == CACHED || state == CLAIMED) ->
      may_die();
      state = FREE
    };
#ifndef BROKEN_INHERITS_UNCOUNTED
    atomic { may_die(); frees++ }
#else
    skip
#endif
  :: else
  fi;
  atomic { may_die(); entry = false };
  atomic { may_die(); lock = NOBODY };
  goto begin;

end:
  skip
}

/* ---- The waiter ----------------------------------------------------------- */

/* mm__cache_sweep(), under the lock. */
inline sweep() {
  if
  :: !entry
  :: else ->
    seen = state;
    if
    :: seen == CACHED -> release()
#ifdef BROKEN_FREES_WHAT_THE_LIVING_CLAIMED
    :: seen == CLAIMED -> release()
#endif
    :: else ->
      if
      :: is_alive
      :: else -> /* for good, and had gone on after that look */
#ifndef BROKEN_BELIEVES_AN_OLD_LOOK
        seen = state;
#endif
        if
#ifndef BROKEN_KEEPS_WHAT_THE_DEAD_CLAIMED
        :: seen == CLAIMED || seen == CACHED -> release()
        :: else -> entry = false
#else
        :: seen == CACHED -> release()
        :: else -> entry = false
#endif
        fi
      fi
    fi
  fi
}

inline release() {
  atomic { cas(seen, FREE) };
  if
  :: ok -> entry = false
  :: else /* its participant was faster */
  fi
}

inline take_if_free() {
  atomic {
    cas(FREE, LIVE);
    if
    :: ok -> becomes_mine(WAITER); waiting = false
    :: else
    fi
  }
}

inline show_request() { atomic { waiting = true } }

proctype waiter() {
  mtype seen;
  bool ok;
  byte before, tried;
#ifndef BROKEN_SWEEPS_BEFORE_IT_SHOWS
  show_request();
#endif
  do
  :: before = wake;
    take_lock(WAITER);
    sweep();
    take_if_free();
    tried = frees;
    lock = NOBODY;
    if
    :: ok -> break
    :: else
    fi;
#ifdef BROKEN_SWEEPS_BEFORE_IT_SHOWS
    show_request();
#endif
    if /* mm_wait() */
    :: wake != before
    :: LOOKS && (entry || frees != tried)
    fi
  od;
  served = true;
  atomic { holds == WAITER -> holds = NOBODY; state = FREE };
  is_over = true
}

/* Somebody calls mm_reclaim(): frees what the dead had allocated, and tells. */
proctype janitor() {
end:
  do
  :: atomic { holds == THE_DEAD && lock == NOBODY ->
      holds = NOBODY;
      state = FREE;
      frees++;
      wake++
    }
  od
}

/* C1: what is cached or claimed stands in an entry, whoever dies when. */
proctype checker() {
end:
  atomic { (state == CACHED || state == CLAIMED) && !entry -> assert(false) }
}

init {
  atomic {
    run user();
    run waiter();
    run janitor();
    run checker()
  }
}

/* Nobody sleeps for ever beside a block that lies in a cache. */
ltl all_served { <> served }
