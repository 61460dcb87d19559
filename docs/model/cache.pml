/* cache.pml - a participant's cache, for spin: csrc/cache.c and sweep.c, and what
 * wait.c and allocate.c do with them.
 *
 * There is one block. Its user allocates and frees it without the lock, through
 * its cache, ROUNDS times, by its bias or without; at most DEATHS times it is
 * killed, wherever it stands, and another process takes its slot. A waiter wants
 * the block, too, and shows so, sweeps, sleeps. A reader sweeps READS times and
 * wants nothing. How to run it, and what is left out: README.md.
 *
 * An `atomic` holds one access to shared memory, or one system call, and what its
 * caller does with it on its own. What the user stores goes to memory later, but
 * in that order, as an x86 processor does it; its loads do not wait for that, its
 * compare-and-swaps do.
 */
#ifndef ROUNDS
#define ROUNDS 2
#endif
#ifndef DEATHS
#define DEATHS 0
#endif
#ifndef HEIRS
#define HEIRS 1 /* 0: nobody takes the slot of the dead */
#endif
#ifndef READS
#define READS 0
#endif
#ifndef READER_DIES
#define READER_DIES 0 /* 1: between revoking a bias and the fence */
#endif
#ifndef LOOKS
#define LOOKS 1 /* 1: a sleeper looks through the caches now and then */
#endif

mtype = { FREE, LIVE, CACHED, CLAIMED };
mtype = { NOBODY, USER, WAITER, READER, THE_DEAD };
mtype = { UNBIASED, BIASED, REVOKED };
mtype = { ENTERS, LEAVES, CLAIMS, UNCLAIMS, LIVES, BIASES, UNBIASES, COUNTS };

/* ---- What the processes share ------------------------------------------ */

mtype state = FREE;     /* of the block */
bool entry;             /* the user's slot has an entry for it */
bool claim;             /* the user's slot names it: it is about to be taken */
mtype biased = UNBIASED; /* BIASED: the user may take it by plain stores */
bool waiting;           /* a request is shown */
byte wake;              /* futex word: raised by whoever tells the waiter */
byte frees;             /* how often something was freed */
mtype lock = NOBODY;    /* that of the dead is taken over: lock.pml */
bool is_alive = true;   /* whoever has the user's slot */

/* ---- What the user's processor keeps to itself --------------------------- */

chan buffer = [5] of { mtype }; /* stores */
bool is_fenced;                 /* mm__os_fence_all() is for its process, too */

/* ---- For the checks and for killing ------------------------------------- */

mtype holds = NOBODY;   /* whose allocation the block is */
byte deaths;
bool served, is_over;
bool stands;            /* the user at the lock: not as long as a sleeper's slice */

inline may_die() {
  if
  :: deaths < DEATHS -> deaths++; goto dead
  :: true
  fi
}

inline take_lock(who) { atomic { lock == NOBODY -> lock = who } }

inline store(what) { atomic { may_die(); buffer!what } }
inline lock_user() {
  stands = true;
  atomic { lock == NOBODY && empty(buffer) -> lock = USER; stands = false }
}
inline unlock_user() { atomic { empty(buffer) -> may_die(); lock = NOBODY } }

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

/* Where seek_bias() finds the lock busy it does without. */
inline seek_bias() {
#ifdef BROKEN_BIASES_WITHOUT_THE_LOCK
  take_bias()
#else
  if
  :: atomic { lock == NOBODY && empty(buffer) -> may_die(); lock = USER };
    take_bias();
    unlock_user()
  :: lock != NOBODY
  fi
#endif
}

inline take_bias() {
#ifndef BROKEN_BIASES_WITHOUT_JOINING
  is_fenced = true; /* mm__os_join_fences() */
#endif
  store(BIASES)
}

/* mm__cache_alloc(): `ok` unless there is nothing in it. */
inline cache_alloc() {
  ok = false;
  if
  :: !is_stacked
  :: else ->
    is_stacked = false;
#ifndef BROKEN_SHOWS_ITS_CLAIM_LATE
    store(CLAIMS);
#endif
    atomic { may_die(); sees_bias = (biased == BIASED) };
#ifdef BROKEN_SHOWS_ITS_CLAIM_LATE
    store(CLAIMS);
#endif
    if
    :: sees_bias -> atomic { may_die(); ok = (state == CACHED) }
    :: else -> claim_shared()
    fi;
    sees_bias = false;
#ifdef BROKEN_CLEARS_ITS_ENTRY_FIRST
    store(LEAVES);
#endif
#ifdef BROKEN_CLEARS_ITS_CLAIM_FIRST
    store(UNCLAIMS);
#endif
    if
    :: atomic { ok -> may_die(); buffer!LIVES; becomes_mine(USER) }
    :: else
    fi;
    store(LEAVES);
#ifndef BROKEN_FORGETS_TO_CLEAR_ITS_CLAIM
    store(UNCLAIMS)
#endif
  fi
}

inline claim_shared() {
  if
  :: seek_bias()
  :: true /* not yet */
  fi;
  atomic { may_die(); ok = (state == CACHED) };
  if
#ifdef BROKEN_STORES_TO_CLAIM
  :: atomic { ok -> may_die(); state = CLAIMED }
#else
  :: ok -> atomic { empty(buffer) -> may_die(); cas(CACHED, CLAIMED) }
#endif
  :: else
  fi
}

/* mm_alloc() with the lock; `ok` if there is room. */
inline heap_alloc() {
  lock_user();
  atomic { may_die();
    cas(FREE, LIVE);
    if
    :: ok -> becomes_mine(USER)
    :: else
    fi
  };
#ifndef BROKEN_BIASES_WITHOUT_THE_LOCK
  if
  :: take_bias() /* in truth while it claimed another block */
  :: true
  fi;
#endif
  unlock_user()
}

/* mm__cache_free(). From the exchange on the block is no allocation any more. */
inline cache_free() {
#ifdef BROKEN_LOOKS_BEFORE_IT_CACHES
  atomic { may_die(); sees_waiter = waiting };
#endif
#ifndef BROKEN_WRITES_ITS_ENTRY_LAST
  store(ENTERS);
#endif
  atomic { empty(buffer) -> may_die();
    assert(holds == USER);
    holds = NOBODY;
    cas(LIVE, CACHED);
    assert(ok)
  };
#ifdef BROKEN_WRITES_ITS_ENTRY_LAST
  store(ENTERS);
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
  lock_user();
  is_stacked = false;
  is_mine = false;
  if
  :: atomic { entry -> may_die(); cas(CACHED, FREE) };
    is_mine = true;
    store(LEAVES)
  :: atomic { !entry -> may_die() } /* swept already */
  fi;
#ifdef BROKEN_TELLS_OF_ITS_OWN_ONLY
  if
  :: is_mine
  :: else -> unlock_user(); goto told
  fi;
#endif
  store(COUNTS);
  unlock_user();
  atomic { may_die(); wake++ };
told:
  skip
}

proctype user() {
  bool is_stacked, ok, sees_waiter, sees_bias, is_mine;
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
  /* Before anybody can know, what it had stored is in memory. */
  atomic { empty(buffer) ->
    is_alive = false;
    is_fenced = false;
    if
    :: lock == USER -> lock = NOBODY; frees++ /* mm__recover() */
    :: else
    fi;
    if
    :: holds == USER -> holds = THE_DEAD
    :: else
    fi;
    is_stacked = false; ok = false; sees_waiter = false; sees_bias = false
  };
  /* Another process takes the slot: mm__cache_open(). */
  atomic { HEIRS && holds != THE_DEAD -> is_alive = true };
#ifndef BROKEN_INHERITS_THE_BIAS
  store(UNBIASES);
#endif
  /* And what the last one left: mm__cache_inherit(). */
  lock_user();
  if
  :: atomic { entry && (state == CACHED || state == CLAIMED) ->
      may_die();
      state = FREE
    };
    store(LEAVES);
#ifndef BROKEN_INHERITS_UNCOUNTED
    store(COUNTS)
#endif
  :: else -> store(LEAVES)
  fi;
#ifndef BROKEN_INHERITS_THE_CLAIM
  store(UNCLAIMS);
#endif
  unlock_user();
  goto begin;

end:
  skip
}

/* What the user has stored, on its way. */
proctype memory() {
end:
  do
  :: atomic { buffer?ENTERS -> entry = true }
  :: atomic { buffer?LEAVES -> entry = false }
  :: atomic { buffer?CLAIMS -> claim = true }
  :: atomic { buffer?UNCLAIMS -> claim = false }
  :: atomic { buffer?BIASES -> biased = BIASED }
  :: atomic { buffer?UNBIASES -> biased = UNBIASED }
  :: atomic { buffer?COUNTS -> frees++ }
  :: atomic { buffer?LIVES ->
      assert(state == CACHED || state == CLAIMED); /* nobody took it meanwhile */
      state = LIVE
    }
  od
}

/* ---- The waiter ----------------------------------------------------------- */

/* mm__cache_sweep(), under the lock. */
inline sweep() {
#ifdef BROKEN_READS_THE_CLAIM_TOO_EARLY
  sees_claim = claim;
#endif
  revoke_bias();
#ifndef BROKEN_READS_THE_CLAIM_TOO_EARLY
  sees_claim = claim;
#endif
#ifdef BROKEN_IGNORES_THE_CLAIM
  sees_claim = false;
#endif
  if
  :: !entry
  :: else ->
    seen = state;
    if
    :: seen == CACHED && !sees_claim -> release()
#ifdef BROKEN_FREES_WHAT_THE_LIVING_CLAIMED
    :: seen == CLAIMED -> release()
#endif
    :: else ->
      if
      :: is_alive
#ifdef BROKEN_SPARES_THE_CLAIM_OF_THE_DEAD
      :: !is_alive && sees_claim
#endif
      :: else -> /* for good, and had gone on after that look */
#ifndef BROKEN_BELIEVES_AN_OLD_LOOK
        seen = (entry -> state : FREE);
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
  fi;
  sees_claim = false
}

inline revoke_bias() {
  if
  :: biased != UNBIASED ->
#ifndef BROKEN_DOES_NOT_REVOKE
    biased = REVOKED;
#endif
#ifndef BROKEN_REVOKES_WITHOUT_A_FENCE
    fence_all();
#endif
#ifndef BROKEN_DOES_NOT_REVOKE
    biased = UNBIASED
#else
    skip
#endif
  :: else
  fi
}

/* mm__os_fence_all(): at some moment in it the user's stores are in memory. */
inline fence_all() { empty(buffer) || !is_fenced }

inline release() {
  atomic {
    cas(seen, FREE);
    assert(!ok || holds == NOBODY)
  };
  if
  :: ok -> entry = false; has_released = true
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
  bool ok, sees_claim, has_released;
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
    :: LOOKS && !stands && (entry || frees != tried)
    fi
  od;
  served = true;
  atomic { holds == WAITER -> holds = NOBODY; state = FREE };
  is_over = true
}

/* ---- Others ---------------------------------------------------------------- */

/* Somebody reads figures, or is refused: sweeps and shows no request. */
proctype reader() {
  mtype seen;
  bool ok, sees_claim, has_released;
  byte round;
  do
  :: round == READS -> break
  :: else ->
    round++;
    take_lock(READER);
    if
    :: READER_DIES && biased == BIASED ->
#ifdef BROKEN_REVOKES_IN_ONE_STEP
      biased = UNBIASED;
#else
      biased = REVOKED;
#endif
      atomic { lock = NOBODY; frees++ }; /* mm__recover() */
      break
    :: sweep();
      if
      :: has_released -> has_released = false; frees++
      :: else
      fi;
      lock = NOBODY
    fi
  od
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

/* C1: what is cached or claimed stands in an entry, whoever dies when. Of memory:
 * others see no more. */
proctype checker() {
end:
  atomic { (state == CACHED || state == CLAIMED) && !entry -> assert(false) }
}

init {
  atomic {
    run user();
    run memory();
    run waiter();
    run reader();
    run janitor();
    run checker()
  }
}

/* Nobody sleeps for ever beside a block that lies in a cache. */
ltl all_served { <> served }
