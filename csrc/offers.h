/* offers.h - blocks that go from one participant's cache to another's.
 *
 * Where one frees what another allocates, blocks pile up in the cache of the one and
 * lack in that of the other. To merge each with its neighbours and to cut it out
 * again would cost both of them many records that the other has just written, and
 * the lock meanwhile. So a participant whose cache is full offers some chunks of it:
 * it takes them out of its stacks, and names them in the header; whoever lacks blocks
 * of that size takes them from there. Both happens under the lock.
 *
 * What is offered lies in a cache as before: in its participant's entries, CACHED,
 * and anyone's to take back. So an offer is a hint. It may be forgotten, when newer
 * ones take its place, or lead to blocks that somebody else took.
 *
 * Who offers keeps the chunks in mind until they are empty. It offers up to a quarter
 * of its cache; whatever nobody wanted when that is full goes to the heap.
 */
#ifndef MM_OFFERS_H
#define MM_OFFERS_H

#include "handle.h"

/* Room that a cache has for what it offers, in granules, of all that it has. */
static inline uint32_t mm__offers_room(uint32_t all) { return all / 4; }

/* Forgets what is offered and was taken since. Under the lock. */
void mm__offers_collect(mm_pool *pool);

/* Offers the chunk on top of a bin that has one: 1; 0 if what it offers already is
 * enough, or nobody could take it. Under the lock. */
int mm__offers_make(mm_pool *pool, uint32_t bin);

/* Frees what it has offered longest, if there is something. Under the lock. MM_OK or
 * MM_E_CORRUPT. */
int mm__offers_withdraw(mm_pool *pool);

/* Takes up to `count` blocks of a bin over that were offered, the own ones too, and
 * answers how many. Under the lock. */
uint32_t mm__offers_take(mm_pool *pool, uint32_t bin, uint32_t count);

#endif
