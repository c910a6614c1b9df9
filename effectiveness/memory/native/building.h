/* Making the index: the order of all places by what stands before them, and for every shape of place the tokens that
 * followed it.
 *
 * Text: ids of all files, each file preceded by a separator (the id that equals the size of the vocabulary).
 * Symbol of a token: its rank in the tree, or RARE for all that come after the first 65,535 leaves.
 *
 * Followers of a context, in 16-bit units, in the order of the context's hash:
 *   bucket = the first bits of the hash; in it, one after the other, groups:
 *   head (14 bits of the hash, 2 bits of kind), then
 *     ONE: the symbol                        MANY: count, symbols in order
 *     RUNS: d, d symbols in order, d sums    LONG_RUNS: the same with sums of 32 bits (low half first)
 *   where sums[k] counts all occurrences of the first k + 1 symbols. */
#ifndef MEMORY_BUILDING_H
#define MEMORY_BUILDING_H

#include "contexts.h"

enum { RARE = 65535, ONE = 0, MANY = 1, RUNS = 2, LONG_RUNS = 3, HASH_BITS_IN_HEAD = 14, SYMBOL_BITS = 16 };

/* Token ids as 2 or 4 bytes each. */
typedef struct {
    const void *data;
    int width;
    i64 length;
} Ids;

static inline u32 id_at(const Ids *ids, i64 k) {
    return ids->width == 2 ? ((const u16 *)ids->data)[k] : ((const u32 *)ids->data)[k];
}

/* --- places in the order of their left contexts ------------------------------------------------------------------- */

typedef struct {
    u64 key;
    u32 place;
} Pair;

static inline int pair_less(Pair a, Pair b) { return a.key != b.key ? a.key < b.key : a.place < b.place; }

static void insertion_sort(Pair *a, i64 n) {
    for (i64 i = 1; i < n; i++) {
        Pair x = a[i];
        i64 j = i;
        for (; j > 0 && pair_less(x, a[j - 1]); j--) a[j] = a[j - 1];
        a[j] = x;
    }
}

static void sift_down(Pair *a, i64 root, i64 n) {
    for (i64 child; (child = 2 * root + 1) < n; root = child) {
        if (child + 1 < n && pair_less(a[child], a[child + 1])) child++;
        if (!pair_less(a[root], a[child])) return;
        Pair t = a[root];
        a[root] = a[child];
        a[child] = t;
    }
}

static void heap_sort(Pair *a, i64 n) {
    for (i64 k = n / 2 - 1; k >= 0; k--) sift_down(a, k, n);
    for (i64 k = n - 1; k > 0; k--) {
        Pair t = a[0];
        a[0] = a[k];
        a[k] = t;
        sift_down(a, 0, k);
    }
}

static void sort_pairs(Pair *a, i64 n, int budget) {
    while (n > 24) {
        if (budget-- == 0) { /* as many bad pivots as no honest text gives */
            heap_sort(a, n);
            return;
        }
        Pair x = a[n / 4], y = a[n / 2], z = a[n - 1 - n / 4], pivot;
        if (pair_less(y, x)) { Pair t = x; x = y; y = t; }
        pivot = pair_less(z, x) ? x : pair_less(z, y) ? z : y;
        i64 i = -1, j = n;
        for (;;) {
            do i++; while (pair_less(a[i], pivot));
            do j--; while (pair_less(pivot, a[j]));
            if (i >= j) break;
            Pair t = a[i];
            a[i] = a[j];
            a[j] = t;
        }
        j++;
        if (j < n - j) {
            sort_pairs(a, j, budget);
            a += j;
            n -= j;
        } else {
            sort_pairs(a + j, n - j, budget);
            n = j;
        }
    }
    insertion_sort(a, n);
}

typedef struct {
    Ids ids;
    u32 separator;
    int token_bits, tokens_in_key;
    Pair *pairs; /* room for the largest bucket; */
    u8 *same;    /* bit L: at level L of the recursion this place has the key of the one before it */
} Sorter;

/* The tokens before `place`, from the `skip`-th back on; zeros behind a separator. */
static u64 key_before(const Sorter *s, u32 place, int skip) {
    u64 key = 0;
    int ended = 0;
    for (int k = 1; k <= s->tokens_in_key; k++) {
        u64 digit = 0;
        if (!ended) {
            u32 id = id_at(&s->ids, (i64)place - skip - k);
            digit = (u64)id + 1;
            ended = id == s->separator;
        }
        key = key << s->token_bits | digit;
    }
    return key << 1 | (u64)ended;
}

static void sort_places(const Sorter *s, u32 *places, u8 *same, i64 n, int known, int level) {
    if (n < 2 || known >= MAX_ORDER) return;
    Pair *pairs = s->pairs;
    for (i64 k = 0; k < n; k++) pairs[k] = (Pair){key_before(s, places[k], known), places[k]};
    int budget = 2;
    for (i64 k = n; k > 1; k >>= 1) budget += 2;
    sort_pairs(pairs, n, budget);
    for (i64 k = 0; k < n; k++) {
        int equal = k > 0 && pairs[k].key == pairs[k - 1].key && !(pairs[k].key & 1);
        places[k] = pairs[k].place;
        same[k] = (u8)((same[k] & ~(1 << level)) | equal << level);
    }
    for (i64 k = 0; k < n;) {
        i64 end = k + 1;
        while (end < n && same[end] >> level & 1) end++;
        sort_places(s, places + k, same + k, end - k, known + s->tokens_in_key, level + 1);
        k = end;
    }
}

/* starts[t] .. starts[t + 1] are the places behind token t (t = separator: beginnings of files); `places` are sorted by
 * the tokens before them, at least MAX_ORDER of them, then by position. Returns their number, or -1 without memory. */
static i64 suffix_order(Ids ids, u32 separator, i64 *starts, u32 *places) {
    i64 n = 0, largest = 0;
    memset(starts, 0, sizeof(i64) * ((size_t)separator + 2));
    for (i64 p = 1; p < ids.length; p++)
        if (id_at(&ids, p) != separator) starts[id_at(&ids, p - 1) + 1]++;
    for (u32 t = 0; t <= separator; t++) {
        largest = starts[t + 1] > largest ? starts[t + 1] : largest;
        n = starts[t + 1] += starts[t];
    }
    i64 *next = malloc(sizeof(i64) * ((size_t)separator + 1));
    Sorter s = {ids, separator, 1, 0, malloc(sizeof(Pair) * (size_t)(largest + 1)), calloc((size_t)largest + 1, 1)};
    if (!next || !s.pairs || !s.same) {
        free(next);
        free(s.pairs);
        free(s.same);
        return -1;
    }
    memcpy(next, starts, sizeof(i64) * ((size_t)separator + 1));
    for (i64 p = 1; p < ids.length; p++)
        if (id_at(&ids, p) != separator) places[next[id_at(&ids, p - 1)]++] = (u32)p;
    while ((1ull << s.token_bits) < (u64)separator + 2) s.token_bits++;
    s.tokens_in_key = 63 / s.token_bits > 4 ? 4 : 63 / s.token_bits;
    for (u32 t = 0; t < separator; t++) sort_places(&s, places + starts[t], s.same, starts[t + 1] - starts[t], 1, 0);
    free(next);
    free(s.pairs);
    free(s.same);
    return n;
}

/* --- followers of one shape of place ------------------------------------------------------------------------------ */

static inline u64 group_key(u64 hash, int bucket_bits, u32 symbol) {
    u64 place = hash >> (64 - bucket_bits - HASH_BITS_IN_HEAD);
    return place << SYMBOL_BITS | symbol;
}

/* LSD radix sort of keys of `bits` bits; the result is in `keys`. */
static void sort_keys(u64 *keys, u64 *spare, i64 n, int bits) {
    enum { DIGIT = 11 };
    u64 *from = keys, *to = spare;
    for (int shift = 0; shift < bits; shift += DIGIT) {
        i64 count[(1 << DIGIT) + 1] = {0};
        for (i64 k = 0; k < n; k++) count[((from[k] >> shift) & ((1 << DIGIT) - 1)) + 1]++;
        for (int d = 0; d < 1 << DIGIT; d++) count[d + 1] += count[d];
        for (i64 k = 0; k < n; k++) to[count[(from[k] >> shift) & ((1 << DIGIT) - 1)]++] = from[k];
        u64 *t = from;
        from = to;
        to = t;
    }
    if (from != keys) memcpy(keys, from, sizeof(u64) * (size_t)n);
}

static u16 *put_group(u16 *out, const u64 *keys, i64 n) {
    u16 head = (u16)((keys[0] >> SYMBOL_BITS & ((1 << HASH_BITS_IN_HEAD) - 1)) << 2);
    i64 distinct = 1;
    for (i64 k = 1; k < n; k++) distinct += (u16)keys[k] != (u16)keys[k - 1];
    if (n == 1) {
        *out++ = head | ONE;
        *out++ = (u16)keys[0];
        return out;
    }
    int wide = n > 65535;
    if (!wide && 2 * distinct >= n) {
        *out++ = head | MANY;
        *out++ = (u16)n;
        for (i64 k = 0; k < n; k++) *out++ = (u16)keys[k];
        return out;
    }
    *out++ = head | (wide ? LONG_RUNS : RUNS);
    *out++ = (u16)distinct;
    for (i64 k = 0; k < n; k++)
        if (k == 0 || (u16)keys[k] != (u16)keys[k - 1]) *out++ = (u16)keys[k];
    for (i64 k = 0; k < n; k++)
        if (k + 1 == n || (u16)keys[k] != (u16)keys[k + 1]) {
            *out++ = (u16)(k + 1);
            if (wide) *out++ = (u16)((u64)(k + 1) >> 16);
        }
    return out;
}

/* Write the groups of sorted keys; bucket b is out[buckets[b] .. buckets[b + 1]). Returns the units written, at most 2n + 2. */
static i64 put_groups(const u64 *keys, i64 n, int bucket_bits, u32 *buckets, u16 *out) {
    u16 *end = out;
    u64 bucket = 0;
    buckets[0] = 0;
    for (i64 k = 0; k < n;) {
        i64 stop = k + 1;
        while (stop < n && keys[stop] >> SYMBOL_BITS == keys[k] >> SYMBOL_BITS) stop++;
        for (u64 b = keys[k] >> (SYMBOL_BITS + HASH_BITS_IN_HEAD); bucket < b;) buckets[++bucket] = (u32)(end - out);
        end = put_group(end, keys + k, stop - k);
        k = stop;
    }
    while (bucket < 1ull << bucket_bits) buckets[++bucket] = (u32)(end - out);
    return end - out;
}

/* --- hashes of all places ----------------------------------------------------------------------------------------- */

/* Call for every place of a text: hashes of its contexts, in out[context]. */
typedef struct {
    const Spelling *spelling;
    u32 separator;
    Place place;
    u32 last[MAX_ORDER + 1];
    i64 known;
} Walker;

static void walker_begin(Walker *w, const Spelling *spelling) {
    w->spelling = spelling;
    w->separator = spelling->num_tokens;
    w->known = 0;
    place_reset(&w->place);
}

static void walker_hash(const Walker *w, u64 *out) {
    const u32 *end = w->last + MAX_ORDER;
    hash_orders(end, w->known, w->separator, out);
    hash_shapes(&w->place, end, w->known, w->separator, out + NUM_ORDERS);
}

static void walker_read(Walker *w, u32 token) {
    memmove(w->last, w->last + 1, sizeof(u32) * (MAX_ORDER - 1));
    w->last[MAX_ORDER - 1] = token;
    w->known++;
    place_read(&w->place, w->spelling, token);
}

#endif
