/* lock.pml - the pool's lock, for spin: csrc/lock.c, and what participants.c
 * and handle.c add to it (taking a slot, who is alive, recovery).
 *
 * PARTICIPANTS processes take the lock ROUNDS times each, and leave. At most
 * DEATHS times one of them is killed, wherever it stands, and another process
 * comes in its place. How to run it, and what is left out: README.md.
 *
 * An `atomic` holds one access to shared memory, or one system call, and what
 * its caller does with it on its own.
 */
#ifndef PARTICIPANTS
#define PARTICIPANTS 3 /* 2 or 3; as many slots */
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif
#ifndef DEATHS
#define DEATHS 2
#endif
#ifndef SLICES
#define SLICES 1 /* 1: sleepers look for themselves now and then */
#endif

#define NOBODY 255

/* The lock's word, as in lock.h: epoch, slot + 1, a bit for sleepers. */
#define SLEEPERS 1
#ifdef BROKEN_NO_EPOCH
#define WORD(slot, epoch) ((slot + 1) << 1)
#else
#define WORD(slot, epoch) ((epoch) << 4 | (slot + 1) << 1)
#endif
#define SLOT_OF(word) (((word) >> 1 & 7) - 1)

/* ---- What the processes share ------------------------------------------ */

short lock;                  /* 0: free */
byte epoch[PARTICIPANTS];    /* of each slot */

/* ---- In the kernel ------------------------------------------------------- */

bool asleep[PARTICIPANTS];   /* on the lock's word */

/* The file lock on a slot's first byte. It outlives its holder for a while. */
mtype = { FREE, HELD, LEFT_BEHIND };
mtype file_lock[PARTICIPANTS] = HELD;

/* ---- For the checks and for killing ------------------------------------- */

byte inside = NOBODY;        /* the living process that owns the lock */
bool dirty;                  /* the heap is in the middle of a change */
byte deaths, finished;

/* kill -9: memory stays as it is, and so does the file lock, for now. */
inline die() {
  deaths++;
  file_lock[slot] = LEFT_BEHIND;
  asleep[me] = false;
  if
  :: inside == me -> inside = NOBODY
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

/* ---- What processor and kernel do in one step --------------------------- */

inline cas(expected, next) {
  if
  :: lock == (expected) -> lock = (next); ok = true
  :: else -> ok = false
  fi
}

/* Sleeps if the word still is what the caller saw. */
inline futex_wait(expected) {
  atomic { may_die(); asleep[me] = (lock == expected) };
  if
  :: atomic { !asleep[me] -> may_die() }
  :: atomic { asleep[me] && (SLICES || gives_up) -> asleep[me] = false }
  :: atomic { asleep[me] && deaths < DEATHS -> die() }
  fi
}

/* Wakes one sleeper, whichever. */
inline futex_wake() {
  if
  :: asleep[0] -> asleep[0] = false
  :: asleep[1] -> asleep[1] = false
#if PARTICIPANTS > 2
  :: asleep[2] -> asleep[2] = false
#endif
  :: else
  fi
}

/* ---- lock.c -------------------------------------------------------------- */

/* mm__lock_take(): `taken_over` if the owner died, `busy` if it gives up. */
inline lock_take() {
  atomic { may_die(); cas(0, word) };
  do
  :: ok || busy -> break
  :: atomic { else -> may_die(); seen = lock };
    if
    :: atomic { seen == 0 -> may_die();
#ifdef BROKEN_FORGETS_SLEEPERS
        cas(0, word)
#else
        cas(0, word | SLEEPERS)
#endif
      }
    :: atomic { else -> may_die();
        if
        :: seen & SLEEPERS -> ok = true
        :: else -> cas(seen, seen | SLEEPERS); seen = seen | SLEEPERS
        fi
      };
      if
      :: ok ->
        ok = false;
#ifdef GIVES_UP
        if
        :: gives_up = true /* its time is over */
        :: true
        fi;
#endif
#ifdef BROKEN_LAST_SLEEP
        futex_wait(seen);
#else
        if
        :: !gives_up -> futex_wait(seen)
        :: else
        fi;
#endif
        atomic { may_die();
          if
          :: lock == seen
          :: else -> seen = 0
          fi
        };
        if
        :: atomic { seen != 0 -> may_die(); /* mm__participant_is_alive() */
            if
            :: SLOT_OF(seen) != slot && file_lock[SLOT_OF(seen)] != FREE ->
              seen = 0
            :: else /* one's own slot counts as dead */
            fi
          };
          if
          :: atomic { seen != 0 -> may_die();
#ifdef BROKEN_STORES_TO_TAKE_OVER
              lock = word | SLEEPERS; ok = true;
#else
              cas(seen, word | SLEEPERS);
#endif
              taken_over = ok
            }
          :: else
          fi
        :: else
        fi;
        if
        :: atomic { gives_up -> may_die();
            busy = !ok && lock != 0;
            gives_up = false
          }
        :: else
        fi
      :: else
      fi
    fi;
    seen = 0
  od
}

/* mm__lock_inherit(): `ok` if the lock named the slot that was just taken. */
inline lock_inherit() {
  do
  :: atomic { may_die(); seen = lock };
    if
    :: seen == 0 || SLOT_OF(seen) != slot -> ok = false; break
    :: atomic { else -> may_die(); cas(seen, word | SLEEPERS) };
      if
      :: ok -> break
      :: else
      fi
    fi
  od;
  seen = 0
}

/* mm__lock_leave() */
inline lock_leave() {
  atomic { may_die();
    assert((lock | SLEEPERS) == (word | SLEEPERS)); /* nobody has robbed it */
    inside = NOBODY;
    seen = lock;
    lock = 0
  };
#ifndef BROKEN_NO_WAKE
  if
  :: atomic { seen & SLEEPERS -> may_die(); futex_wake() }
  :: else
  fi;
#endif
  seen = 0
}

/* ---- What the lock protects ---------------------------------------------- */

/* The caller owns the lock now: no other living process does. */
inline enter() {
  atomic { may_die();
    assert(inside == NOBODY);
    inside = me;
    ok = false
  }
}

/* mm__recover(): may be killed before it is through. */
inline recover() {
#ifndef BROKEN_NO_RECOVERY
  atomic { may_die(); dirty = true };
  atomic { may_die(); dirty = false };
#endif
  taken_over = false
}

inline use_heap() {
  atomic { may_die(); assert(inside == me && !dirty); dirty = true };
  atomic { may_die(); assert(inside == me && dirty); dirty = false }
}

/* ---- A participant ------------------------------------------------------- */

/* mm__participant_join() and occupy(): any slot whose file lock is free. */
inline join() {
  atomic {
    if
    :: file_lock[0] == FREE -> slot = 0
    :: file_lock[1] == FREE -> slot = 1
#if PARTICIPANTS > 2
    :: file_lock[2] == FREE -> slot = 2
#endif
    fi;
    file_lock[slot] = HELD
  };
  atomic { may_die(); epoch[slot]++; word = WORD(slot, epoch[slot]) };
  lock_inherit();
  if
  :: ok -> enter(); recover(); lock_leave()
  :: else
  fi
}

proctype participant(byte me) {
  byte slot = me;
  byte round;
  short word = WORD(me, 0);
  short seen;
  bool ok, taken_over, busy, gives_up;
  goto joined; /* at the start all have */

another:
  join();
joined:
  do
  :: round == ROUNDS -> break
  :: else ->
    lock_take();
    if
    :: busy -> busy = false
    :: else ->
      enter();
      if
      :: taken_over -> recover()
      :: else
      fi;
      use_heap();
      lock_leave()
    fi;
    round++
  od;
  atomic { may_die(); /* mm__participant_leave() */
    file_lock[slot] = FREE;
    finished++
  };
  goto end;

dead:
  atomic {
    slot = 0; round = 0; word = 0; seen = 0;
    ok = false; taken_over = false; busy = false; gives_up = false
  };
  goto another; /* process, in the same proctype */

end:
  skip
}

/* The kernel closes the files of the dead, some time later. */
proctype kernel() {
end:
  do
  :: d_step { file_lock[0] == LEFT_BEHIND -> file_lock[0] = FREE }
  :: d_step { file_lock[1] == LEFT_BEHIND -> file_lock[1] = FREE }
#if PARTICIPANTS > 2
  :: d_step { file_lock[2] == LEFT_BEHIND -> file_lock[2] = FREE }
#endif
  od
}

init {
  atomic {
    run participant(0);
    run participant(1);
#if PARTICIPANTS > 2
    run participant(2);
#endif
    run kernel()
  }
}

/* Whoever wants the lock gets it. */
ltl all_served { <> (finished == PARTICIPANTS) }
