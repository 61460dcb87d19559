/* cache.pml - a participant's cache, for spin: csrc/cache.c and sweep.c, and what
 * wait.c and allocate.c do with them.
 *
 * There is one block. Its user allocates and frees it without the lock, through
 * its cache, ROUNDS times, by its bias or without; at most DEATHS times it is
 * killed, wherever it stands, and another process takes its slot. A waiter wants
 * the block, too, and shows so, sweeps, sleeps. A reader sweeps READS times and
 * wants nothing. A stranger frees what the user has allocated, STRANGERS times,
 * which the user may be freeing itself. How to run it, and what is left out:
 * README.md.
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
#ifndef STRANGERS
#define STRANGERS 0
#endif
#ifndef HAS_BIAS
#define HAS_BIAS 1 /* 0: the user's slot is never biased */
#endif
#ifndef LOOKS
#define LOOKS 1 /* 1: a sleeper looks through the caches now and then */
#endif

mtype = { FREE, LIVE, TIED, CACHED, CLAIMED };
mtype = { NOBODY, USER, WAITER, READER, STRANGER, THE_DEAD };
mtype = { UNBIASED, BIASED, REVOKED };
mtype = { ENTERS, LEAVES, CLAIMS, UNCLAIMS, LIVES, TIES, FREES, BIASES, UNBIASES, COUNTS };

/* ---- What the processes share ------------------------------------------ */

mtype state = FREE;     /* of the block */
byte generation;        /* of the block: counted where a stranger is to know it again */
bool entry;             /* the user's slot has an entry for it */
bool claim;             /* the user's slot names it: it is about to change */
mtype biased = UNBIASED; /* BIASED: the user may change it by plain stores */
byte revocations;       /* how often that was revoked: the same word */
bool waiting;           /* a request is shown */
byte wake;              /* futex word: raised by whoever tells the waiter */
byte frees;             /* how often something was freed */
byte inherited, given;  /* revocations, when somebody took the slot of the dead; or
                           the bias */
mtype lock = NOBODY;    /* that of the dead is taken over: lock.pml */
bool is_alive = true;   /* whoever has the user's slot */

/* ---- What the user's processor keeps to itself --------------------------- */

chan buffer = [6] of { mtype }; /* stores */
byte frees_on_their_way;        /* those of them that end an allocation */
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

/* Whoever has it may free it, or somebody else for them: once. */
inline ends_allocation() {
  assert(holds == USER || holds == THE_DEAD);
  holds = NOBODY
}

inline count_generation() {
  if
  :: STRANGERS > 0 -> generation++
  :: else
  fi
}

/* What the user sees of it. */
#define SEEN_GENERATION (STRANGERS > 0 -> generation + frees_on_their_way : 0)

/* What the user sees of the block: its own stores before they are in memory. */
inline look(what) {
  if
  :: buffer??[TIES] || buffer??[FREES] || buffer??[LIVES] -> what = last
  :: else -> what = state; last = 0
  fi
}

/* ---- The user ------------------------------------------------------------ */

/* Where seek_bias() finds the lock busy it does without. */
inline seek_bias() {
#ifdef BROKEN_BIASES_WITHOUT_THE_LOCK
  take_bias()
#else
  if
  :: atomic { HAS_BIAS && lock == NOBODY && empty(buffer) -> may_die(); lock = USER };
    take_bias();
    unlock_user()
  :: !HAS_BIAS || lock != NOBODY
  fi
#endif
}

inline take_bias() {
#ifndef BROKEN_BIASES_WITHOUT_JOINING
  is_fenced = true; /* mm__os_join_fences() */
#endif
#ifdef BROKEN_BIASES_BY_STORE
  atomic { may_die(); given = revocations };
  store(BIASES)
#else
  atomic { empty(buffer) -> may_die();
    if
    :: biased != BIASED -> biased = BIASED
    :: else
    fi
  }
#endif
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
    :: sees_bias -> atomic { may_die(); look(seen); ok = (seen == CACHED); seen = 0 }
    :: else -> claim_shared()
    fi;
#ifdef BROKEN_CLEARS_ITS_ENTRY_FIRST
    store(LEAVES);
#endif
#ifdef BROKEN_CLEARS_ITS_CLAIM_FIRST
    store(UNCLAIMS);
#endif
    if
    :: atomic { ok && sees_bias ->
        may_die();
        buffer!TIES; last = TIED;
        id = SEEN_GENERATION;
        becomes_mine(USER)
      }
    :: atomic { ok && !sees_bias ->
        may_die();
        buffer!LIVES; last = LIVE;
        id = SEEN_GENERATION;
        becomes_mine(USER)
      }
    :: else
    fi;
    sees_bias = false;
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
  atomic { may_die(); look(seen); ok = (seen == CACHED); seen = 0 };
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
    :: ok -> becomes_mine(USER); id = generation
    :: else
    fi
  };
#ifndef BROKEN_BIASES_WITHOUT_THE_LOCK
  if
  :: HAS_BIAS -> take_bias() /* in truth while it claimed another block */
  :: true
  fi;
#endif
  unlock_user()
}

/* mm__cache_free(), unless a stranger was faster. From the exchange, or the store,
 * on the block is no allocation any more. */
inline cache_free() {
#ifdef BROKEN_LOOKS_BEFORE_IT_CACHES
  atomic { may_die(); sees_waiter = waiting };
#endif
  atomic { may_die();
    look(seen);
    ok = ((seen == LIVE || seen == TIED) && SEEN_GENERATION == id)
  };
  if
  :: ok -> cache_block()
  :: else
  fi;
  atomic { sees_waiter = false; seen = 0; id = 0 }
}

inline claim_tied() {
#ifndef BROKEN_SHOWS_ITS_CLAIM_LATE
  store(CLAIMS);
#endif
  atomic { may_die(); sees_bias = (biased == BIASED) };
#ifdef BROKEN_SHOWS_ITS_CLAIM_LATE
  store(CLAIMS);
#endif
#ifdef BROKEN_FREES_WITHOUT_LOOKING
  sees_bias = true
#endif
}

inline cache_block() {
#ifndef BROKEN_WRITES_ITS_ENTRY_LAST
  store(ENTERS);
#endif
  if
#ifdef BROKEN_FREES_ALL_BY_ITS_BIAS
  :: true -> claim_tied()
#else
  :: seen == TIED -> claim_tied()
  :: else
#endif
  fi;
  if
  :: sees_bias ->
#ifdef BROKEN_CLEARS_ITS_CLAIM_FIRST
    store(UNCLAIMS);
#endif
    atomic {
      may_die();
      buffer!FREES; last = CACHED;
      frees_on_their_way++;
      ends_allocation()
    };
#ifndef BROKEN_FORGETS_TO_CLEAR_ITS_CLAIM
    store(UNCLAIMS)
#endif
  :: else ->
    store(UNCLAIMS);
    atomic { empty(buffer) -> may_die();
      if
      :: state == seen && generation == id ->
        state = CACHED;
        count_generation();
        ends_allocation()
      :: else -> ok = false
      fi
    }
  fi;
  sees_bias = false;
#ifdef BROKEN_WRITES_ITS_ENTRY_LAST
  store(ENTERS);
#endif
  if
  :: !ok -> store(LEAVES)
  :: else
  fi;
  if
  :: ok ->
    is_stacked = true;
#ifndef BROKEN_LOOKS_BEFORE_IT_CACHES
    atomic { may_die(); sees_waiter = waiting };
#endif
    if
    :: sees_waiter -> free_for_waiter()
    :: else
    fi
  :: else
  fi
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
  mtype seen, last;
  byte round, id;

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
    is_stacked = false; ok = false; sees_waiter = false; sees_bias = false;
    seen = 0; last = 0; id = 0
  };
  /* Another process takes the slot: mm__cache_open(). */
  atomic { HEIRS -> is_alive = true };
#ifndef BROKEN_INHERITS_THE_BIAS
  atomic { may_die(); inherited = revocations };
  store(UNBIASES);
#endif
#ifndef BROKEN_INHERITS_THE_CLAIM
  store(UNCLAIMS);
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
  :: atomic { buffer?BIASES -> biased = BIASED; revocations = given }
  :: atomic { buffer?UNBIASES -> biased = UNBIASED; revocations = inherited + 1 }
  :: atomic { buffer?COUNTS -> frees++ }
  :: atomic { buffer?LIVES -> /* nobody took it meanwhile, nor in what follows */
      assert(state == CLAIMED);
      state = LIVE
    }
  :: atomic { buffer?TIES ->
      assert(state == CACHED);
      state = TIED
    }
  :: atomic { buffer?FREES ->
      assert(state == TIED);
      state = CACHED;
      count_generation();
      frees_on_their_way--
    }
  od
}

/* ---- The waiter ----------------------------------------------------------- */

/* Takes the lock, while the user's slot is not biased, and sweeps. */
inline lock_and_sweep(who) {
#ifdef BROKEN_READS_THE_CLAIM_TOO_EARLY
  sees_claim = claim;
#endif
  do
  :: take_lock(who);
    if
    :: biased == UNBIASED -> break
    :: else -> lock = NOBODY; revoke_bias()
    fi
#ifdef BROKEN_DOES_NOT_REVOKE
  :: biased == BIASED -> fence_all(); take_lock(who); break
#endif
  od;
  sweep()
}

/* mm__cache_sweep(), under the lock. */
inline sweep() {
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
  atomic { sees_claim = false; seen = 0 }
}

/* mm__bias_revoke_all(): `begun` is the count by which it knows its revocation. */
inline revoke_bias() {
  atomic {
    is_revoking = true;
    if
#ifdef BROKEN_REVOKES_IN_ONE_STEP
    :: biased == BIASED -> biased = UNBIASED; revocations++
#else
    :: biased == BIASED -> biased = REVOKED; revocations++
#endif
    :: biased == UNBIASED -> is_revoking = false
    :: else /* another's that is not over */
    fi;
    begun = revocations
  };
#ifndef BROKEN_REVOKES_WITHOUT_A_FENCE
  if
  :: is_revoking -> fence_all()
  :: else
  fi;
#endif
  atomic {
    if
#ifdef BROKEN_ENDS_ANOTHERS_REVOCATION
    :: is_revoking && biased == REVOKED -> biased = UNBIASED
#else
    :: is_revoking && biased == REVOKED && revocations == begun -> biased = UNBIASED
#endif
    :: else
    fi;
    begun = 0; is_revoking = false
  }
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
  bool ok, sees_claim, has_released, is_revoking;
  byte before, tried, begun;
#ifndef BROKEN_SWEEPS_BEFORE_IT_SHOWS
  show_request();
#endif
  do
  :: before = wake;
    lock_and_sweep(WAITER);
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
  atomic { holds == WAITER -> holds = NOBODY; state = FREE; count_generation() };
  is_over = true
}

/* ---- Others ---------------------------------------------------------------- */

/* Somebody reads figures, or is refused: sweeps and shows no request. */
proctype reader() {
  mtype seen;
  bool ok, sees_claim, has_released, is_revoking;
  byte round, begun;
  do
  :: round == READS -> break
  :: else ->
    round++;
    if
    :: atomic {
        READER_DIES && biased == BIASED ->
#ifdef BROKEN_REVOKES_IN_ONE_STEP
        biased = UNBIASED;
#else
        biased = REVOKED;
#endif
        revocations++
      };
      break
    :: lock_and_sweep(READER);
      if
      :: has_released -> has_released = false; frees++
      :: else
      fi;
      lock = NOBODY
    fi
  od
}

inline free_as_stranger() {
  atomic {
    if
    :: state == seen && generation == id ->
      state = FREE;
      count_generation();
      ends_allocation();
      frees++;
      wake++
    :: else /* somebody was faster */
    fi
  };
  lock = NOBODY
}

/* Another process frees what the user allocated: mm__bias_lock(), mm__heap_free().
 * Where it finds the user about to free that itself it looks again. */
proctype stranger() {
  mtype seen;
  bool is_same, is_revoking;
  byte round, id, begun;
end:
  do
  :: atomic { round < STRANGERS && holds == USER && (state == LIVE || state == TIED) ->
      id = generation;
      round++
    };
    do
    :: take_lock(STRANGER);
      atomic { seen = state; is_same = (generation == id) };
      if
      :: !is_same || (seen != LIVE && seen != TIED) -> lock = NOBODY; break
      :: is_same && seen == LIVE -> free_as_stranger(); break
      :: is_same && seen == TIED ->
        if
#ifdef BROKEN_FREES_WHAT_IS_TIED
        :: biased != UNBIASED -> free_as_stranger(); break
#else
        :: biased != UNBIASED -> lock = NOBODY; revoke_bias()
#endif
        :: else ->
          if
#ifndef BROKEN_FREES_WHAT_IS_CLAIMED
          :: claim -> /* then asks whether it lives */
            if
            :: is_alive -> lock = NOBODY
            :: else -> free_as_stranger(); break
            fi
#else
          :: claim -> free_as_stranger(); break
#endif
          :: else -> free_as_stranger(); break
          fi
        fi
      fi
    od
  od
}

/* Somebody calls mm_reclaim(): frees what the dead had allocated, and tells. */
proctype janitor() {
end:
  do
  :: atomic { holds == THE_DEAD && lock == NOBODY && !(claim && is_alive) ->
      holds = NOBODY;
      state = FREE;
      count_generation();
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
    run stranger();
    run janitor();
    run checker()
  }
}

/* Nobody sleeps for ever beside a block that lies in a cache. */
ltl all_served { <> served }
