/* Python's view of the index: functions that build its arrays, and the type that holds them. */
#ifndef MEMORY_PYTHON_INDEX_H
#define MEMORY_PYTHON_INDEX_H

#include "search.h"

/* A buffer of at least `num` items of `size` bytes, or an exception that names it. */
static int holds(const Py_buffer *b, i64 num, i64 size, const char *name) {
    if (num >= 0 && (i64)b->len >= num * size && ((uintptr_t)b->buf & (uintptr_t)(size - 1)) == 0) return 1;
    PyErr_Format(PyExc_ValueError, "%s: %lld bytes where %lld items of %lld are needed", name, (long long)b->len, (long long)num, (long long)size);
    return 0;
}

static int read_spelling(Spelling *s, const Py_buffer *bytes, const Py_buffer *offsets) {
    i64 vocabulary = (i64)(offsets->len / 4) - 1;
    if (vocabulary < 2 || vocabulary > 1 << 20 || !holds(offsets, vocabulary + 1, 4, "token offsets")) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "a vocabulary has 2 to 1,048,576 tokens");
        return 0;
    }
    *s = (Spelling){bytes->buf, offsets->buf, (u32)vocabulary};
    for (i64 t = 0; t < vocabulary; t++)
        if (s->offsets[t] > s->offsets[t + 1] || s->offsets[t + 1] > (u64)bytes->len) {
            PyErr_SetString(PyExc_ValueError, "token offsets are out of order");
            return 0;
        }
    return 1;
}

static int read_ids(Ids *ids, const Py_buffer *b, int width) {
    if ((width != 2 && width != 4) || !holds(b, (i64)b->len / width, width, "ids")) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "ids have 2 or 4 bytes each");
        return 0;
    }
    *ids = (Ids){b->buf, width, (i64)b->len / width};
    return 1;
}

/* The text begins with a separator and no id is beyond it. */
static int check_text(const Ids *ids, u32 separator) {
    int bad = ids->length > 0 && id_at(ids, 0) != separator;
    for (i64 k = 0; k < ids->length; k++) bad |= id_at(ids, k) > separator;
    if (bad) PyErr_Format(PyExc_ValueError, "a text begins with the separator and holds ids below it (%u) only", separator);
    return !bad;
}

static PyObject *py_suffix_order(PyObject *self, PyObject *args) {
    Py_buffer text, starts, places;
    int width;
    unsigned vocabulary;
    PyObject *result = NULL;
    Ids ids;
    (void)self;
    if (!PyArg_ParseTuple(args, "y*iIw*w*", &text, &width, &vocabulary, &starts, &places)) return NULL;
    if (read_ids(&ids, &text, width) && vocabulary <= 1 << 20 && check_text(&ids, vocabulary) &&
        holds(&starts, (i64)vocabulary + 2, 8, "starts") && holds(&places, ids.length, 4, "places")) {
        i64 n;
        Py_BEGIN_ALLOW_THREADS
        n = suffix_order(ids, vocabulary, starts.buf, places.buf);
        Py_END_ALLOW_THREADS
        result = n < 0 ? PyErr_NoMemory() : PyLong_FromLongLong(n);
    }
    PyBuffer_Release(&text);
    PyBuffer_Release(&starts);
    PyBuffer_Release(&places);
    return result;
}

/* Keys of all places of a text for some contexts: [contexts, places], in the text's order. */
static void hash_text(const Ids *ids, const Spelling *spelling, const u8 *contexts, i64 num, int bucket_bits, const u16 *symbols, u64 *out, i64 stride) {
    Walker w;
    u64 hash[NUM_CONTEXTS + 1] = {0};
    i64 at = 0;
    for (i64 p = 0; p < ids->length; p++) {
        u32 id = id_at(ids, p);
        if (id == spelling->num_tokens) {
            walker_begin(&w, spelling);
            continue;
        }
        walker_hash(&w, hash);
        for (i64 k = 0; k < num; k++)
            out[k * stride + at] = bucket_bits ? group_key(hash[contexts[k]], bucket_bits, symbols[id]) : (hash[contexts[k]] & ~(u64)RARE) | symbols[id];
        walker_read(&w, id);
        at++;
    }
}

static PyObject *py_hash_places(PyObject *self, PyObject *args) {
    Py_buffer text, bytes, offsets, contexts, symbols, out;
    int width, bucket_bits;
    PyObject *result = NULL;
    Ids ids;
    Spelling spelling;
    (void)self;
    if (!PyArg_ParseTuple(args, "y*iy*y*y*iy*w*", &text, &width, &bytes, &offsets, &contexts, &bucket_bits, &symbols, &out)) return NULL;
    int good = read_ids(&ids, &text, width) && read_spelling(&spelling, &bytes, &offsets) && check_text(&ids, spelling.num_tokens) &&
               holds(&symbols, spelling.num_tokens, 2, "symbols");
    i64 places = 0;
    for (i64 p = 0; good && p < ids.length; p++) places += id_at(&ids, p) != spelling.num_tokens;
    for (i64 k = 0; good && k < contexts.len; k++) good = ((u8 *)contexts.buf)[k] <= NUM_CONTEXTS;
    if (good && bucket_bits >= 0 && bucket_bits <= 32 && holds(&out, places * (i64)contexts.len, 8, "keys")) {
        Py_BEGIN_ALLOW_THREADS
        hash_text(&ids, &spelling, contexts.buf, contexts.len, bucket_bits, symbols.buf, out.buf, places);
        Py_END_ALLOW_THREADS
        result = PyLong_FromLongLong(places);
    } else if (!PyErr_Occurred()) {
        PyErr_SetString(PyExc_ValueError, "no such context or number of buckets");
    }
    PyBuffer_Release(&text);
    PyBuffer_Release(&bytes);
    PyBuffer_Release(&offsets);
    PyBuffer_Release(&contexts);
    PyBuffer_Release(&symbols);
    PyBuffer_Release(&out);
    return result;
}

static PyObject *py_sort_keys(PyObject *self, PyObject *args) {
    Py_buffer keys, spare;
    int bits;
    PyObject *result = NULL;
    (void)self;
    if (!PyArg_ParseTuple(args, "w*w*i", &keys, &spare, &bits)) return NULL;
    i64 n = (i64)keys.len / 8;
    if (bits >= 1 && bits <= 64 && holds(&keys, n, 8, "keys") && holds(&spare, n, 8, "spare keys")) {
        Py_BEGIN_ALLOW_THREADS
        sort_keys(keys.buf, spare.buf, n, bits);
        Py_END_ALLOW_THREADS
        result = Py_NewRef(Py_None);
    } else if (!PyErr_Occurred()) {
        PyErr_SetString(PyExc_ValueError, "keys have 1 to 64 bits");
    }
    PyBuffer_Release(&keys);
    PyBuffer_Release(&spare);
    return result;
}

static PyObject *py_put_groups(PyObject *self, PyObject *args) {
    Py_buffer keys, buckets, units;
    int bits;
    PyObject *result = NULL;
    (void)self;
    if (!PyArg_ParseTuple(args, "y*iw*w*", &keys, &bits, &buckets, &units)) return NULL;
    i64 n = (i64)keys.len / 8;
    int good = bits >= 1 && bits <= 32 && holds(&keys, n, 8, "keys") && holds(&buckets, (1ll << bits) + 1, 4, "buckets") && holds(&units, 2 * n + 2, 2, "units");
    const u64 *k = keys.buf;
    for (i64 j = 0; good && j < n; j++) good = k[j] >> (SYMBOL_BITS + HASH_BITS_IN_HEAD) < 1ull << bits && (j == 0 || k[j - 1] <= k[j]);
    if (good) {
        i64 used;
        Py_BEGIN_ALLOW_THREADS
        used = put_groups(k, n, bits, buckets.buf, units.buf);
        Py_END_ALLOW_THREADS
        result = PyLong_FromLongLong(used);
    } else if (!PyErr_Occurred()) {
        PyErr_SetString(PyExc_ValueError, "keys are not in order or have too many bits");
    }
    PyBuffer_Release(&keys);
    PyBuffer_Release(&buckets);
    PyBuffer_Release(&units);
    return result;
}

/* grow_tree(cells, weight, shrink, mass, seen, unseen, seed, nodes, rank): `cells` (row u32, column u32, value f32) are
 * the neighbours' rows of `num_rows` tokens; `seen` and `unseen` together are the vocabulary. */
static PyObject *py_grow_tree(PyObject *self, PyObject *args) {
    Py_buffer cells, weight, shrink, mass, seen, unseen, nodes, rank;
    long long columns;
    unsigned long long seed;
    PyObject *result = NULL;
    (void)self;
    if (!PyArg_ParseTuple(args, "y*Ly*y*y*y*y*Kw*w*", &cells, &columns, &weight, &shrink, &mass, &seen, &unseen, &seed, &nodes, &rank)) return NULL;
    i64 vocabulary = (i64)mass.len / 8, num_cells = (i64)cells.len / 12, num_seen = (i64)seen.len / 4, num_unseen = (i64)unseen.len / 4;
    int good = vocabulary >= 2 && num_seen + num_unseen == vocabulary && columns >= 1 && columns <= 1 << 20 && holds(&cells, num_cells, 4, "cells") &&
               holds(&weight, vocabulary, 4, "weight") && holds(&shrink, vocabulary, 8, "shrink") && holds(&mass, vocabulary, 8, "mass") &&
               holds(&seen, num_seen, 4, "seen") && holds(&unseen, num_unseen, 4, "unseen") && holds(&nodes, 5 * (vocabulary - 1), 4, "nodes") && holds(&rank, vocabulary, 4, "rank");
    const Cell *c = cells.buf;
    for (i64 k = 0; good && k < num_cells; k++) good = c[k].row < vocabulary && c[k].column < columns;
    for (i64 k = 0; good && k < num_seen; k++) good = ((u32 *)seen.buf)[k] < vocabulary;
    for (i64 k = 0; good && k < num_unseen; k++) good = ((u32 *)unseen.buf)[k] < vocabulary;
    double *vectors = good ? calloc((size_t)vocabulary * DIMENSIONS, sizeof(double)) : NULL;
    Keyed *items = good ? malloc(sizeof(Keyed) * (size_t)(vocabulary + 1)) : NULL;
    int failed = 0;
    if (vectors && items) {
        Grower g = {vectors, mass.buf, nodes.buf, 0, rank.buf, 0};
        Py_BEGIN_ALLOW_THREADS
        failed = embed(c, num_cells, weight.buf, vocabulary, columns, seed, vectors);
        for (i64 r = 0; r < vocabulary; r++)
            for (int d = 0; d < DIMENSIONS; d++) vectors[r * DIMENSIONS + d] *= ((double *)shrink.buf)[r];
        for (i64 k = 0; k < num_seen; k++) items[k].token = ((u32 *)seen.buf)[k];
        for (i64 k = 0; k < num_unseen; k++) items[num_seen + k].token = ((u32 *)unseen.buf)[k];
        if (!failed) grow_both(&g, items, num_seen, num_unseen);
        Py_END_ALLOW_THREADS
        result = failed ? PyErr_NoMemory() : Py_NewRef(Py_None);
    } else if (good) {
        PyErr_NoMemory();
    } else if (!PyErr_Occurred()) {
        PyErr_SetString(PyExc_ValueError, "tokens or columns out of range");
    }
    free(vectors);
    free(items);
    PyBuffer_Release(&cells);
    PyBuffer_Release(&weight);
    PyBuffer_Release(&shrink);
    PyBuffer_Release(&mass);
    PyBuffer_Release(&seen);
    PyBuffer_Release(&unseen);
    PyBuffer_Release(&nodes);
    PyBuffer_Release(&rank);
    return result;
}

/* --- the type ------------------------------------------------------------------------------------------------------ */

enum { FIXED_BUFFERS = 9, ALL_BUFFERS = FIXED_BUFFERS + 2 * NUM_CONTEXTS };

typedef struct {
    PyObject_HEAD
    Index index;
    i32 *token_of_rank;
    Py_buffer buffers[ALL_BUFFERS];
    int num_buffers;
} IndexObject;

/* Every way down the tree ends at a leaf whose rank is that of its interval. */
static int check_tree(const Index *x) {
    i32 v = (i32)x->spelling.num_tokens, bad = x->num_nodes != v - 1;
    for (i32 t = 0; t < v; t++) bad |= x->rank[t] < 0 || x->rank[t] >= v;
    bad = bad || x->nodes[0].low != 0 || x->nodes[0].high != v || x->rare_from < 0 || x->rare_from > RARE || x->rare_from > v;
    for (i32 k = 0; !bad && k < x->num_nodes; k++) {
        const Node *n = &x->nodes[k];
        bad |= n->low < 0 || n->low >= n->middle || n->middle >= n->high || n->high > v;
        for (int side = 0; !bad && side < 2; side++) {
            i32 low = side ? n->middle : n->low, high = side ? n->high : n->middle, child = n->child[side];
            if (child >= 0) bad |= child >= x->num_nodes || x->nodes[child].low != low || x->nodes[child].high != high;
            else bad |= ~child >= v || x->rank[~child] != low || high != low + 1;
        }
    }
    if (bad) PyErr_SetString(PyExc_ValueError, "the tree over the vocabulary is damaged");
    return !bad;
}

static int index_groups(IndexObject *o, PyObject *groups) {
    if (PySequence_Size(groups) != NUM_CONTEXTS) {
        if (!PyErr_Occurred()) PyErr_Format(PyExc_ValueError, "an index has groups for %d contexts", NUM_CONTEXTS);
        return 0;
    }
    for (int c = 0; c < NUM_CONTEXTS; c++) {
        PyObject *item = PySequence_GetItem(groups, c);
        if (!item) return 0;
        Groups *g = &o->index.groups[c];
        int good = 1;
        if (item != Py_None) {
            Py_buffer *b = &o->buffers[o->num_buffers];
            good = PyArg_ParseTuple(item, "iy*y*", &g->bucket_bits, &b[0], &b[1]);
            if (good) {
                o->num_buffers += 2;
                good = g->bucket_bits >= 1 && g->bucket_bits <= 32 && holds(&b[0], (1ll << g->bucket_bits) + 1, 4, "buckets") && holds(&b[1], (i64)b[1].len / 2, 2, "groups");
                g->buckets = b[0].buf;
                g->units = b[1].buf;
                g->num_units = (i64)b[1].len / 2;
            }
        }
        Py_DECREF(item);
        if (!good) {
            if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "groups have 1 to 32 bucket bits");
            return 0;
        }
    }
    return 1;
}

static int index_init(PyObject *self, PyObject *args, PyObject *keywords) {
    IndexObject *o = (IndexObject *)self;
    Index *x = &o->index;
    Py_buffer *b = o->buffers;
    PyObject *groups;
    int width;
    if (keywords || o->num_buffers) {
        PyErr_SetString(PyExc_TypeError, "Index(...) takes positions only, once");
        return -1;
    }
    if (!PyArg_ParseTuple(args, "y*iy*y*y*y*y*y*y*y*iO", &b[0], &width, &b[1], &b[2], &b[3], &b[4], &b[5], &b[6], &b[7], &b[8], &x->rare_from, &groups)) return -1;
    o->num_buffers = FIXED_BUFFERS;
    if (!read_ids(&x->ids, &b[0], width) || !read_spelling(&x->spelling, &b[4], &b[5])) return -1;
    i64 v = x->spelling.num_tokens;
    x->num_places = (i64)b[1].len / 4;
    x->num_nodes = (i32)((i64)b[6].len / 20);
    if (!holds(&b[1], x->num_places, 4, "places") || !holds(&b[2], x->num_places, 2, "followers") || !holds(&b[3], v + 2, 8, "starts") ||
        !holds(&b[6], 5 * (v - 1), 4, "nodes") || !holds(&b[7], v, 4, "rank") || !holds(&b[8], v + 1, 4, "rank sums"))
        return -1;
    x->places = b[1].buf;
    x->followers = b[2].buf;
    x->starts = b[3].buf;
    x->nodes = b[6].buf;
    x->rank = b[7].buf;
    x->rank_sums = b[8].buf;
    if (!check_tree(x) || !index_groups(o, groups)) return -1;
    o->token_of_rank = malloc(sizeof(i32) * (size_t)v);
    if (!o->token_of_rank) {
        PyErr_NoMemory();
        return -1;
    }
    for (i32 t = 0; t < v; t++) o->token_of_rank[x->rank[t]] = t;
    return 0;
}

static void index_dealloc(PyObject *self) {
    IndexObject *o = (IndexObject *)self;
    for (int k = 0; k < o->num_buffers; k++) PyBuffer_Release(&o->buffers[k]);
    free(o->token_of_rank);
    PyTypeObject *type = Py_TYPE(self);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static PyType_Slot index_slots[] = {
    {Py_tp_init, index_init}, {Py_tp_dealloc, index_dealloc}, {Py_tp_doc, "The index's arrays, checked and kept."}, {0, NULL},
};
static PyType_Spec index_spec = {"effectiveness.memory._native.Index", sizeof(IndexObject), 0, Py_TPFLAGS_DEFAULT, index_slots};
static PyTypeObject *index_type;

#endif
