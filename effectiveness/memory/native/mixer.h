/* What is learned by reading: maps from counts to probabilities, weights that join them, last corrections.
 * Everything lies in one block of floats, so that it is saved, loaded and copied as it is. */
#ifndef MEMORY_MIXER_H
#define MEMORY_MIXER_H

#include "index.h"

enum {
    NUM_JOINT = 6 + NUM_SHAPES + 1,    /* contexts that are counted in the text and in the file at hand: short orders, shapes, any place */
    NUM_FILE = NUM_JOINT + NUM_FILE_SHAPES, /* contexts that are counted in the file at hand */
    NUM_FILE_ORDERS = 6,
    COUNT_CLASSES = 13,                /* of a count over the training text */
    TRAIN_STATES = COUNT_CLASSES * COUNT_CLASSES,
    FILE_STATES = 1024,                /* two counts to 15 and the last two bits */
    JOINT_STATES = 625,                /* four counts in five classes */
    IN_FILE_MATCHES = 2,
    NUM_MATCHES = IN_FILE_MATCHES + 1, /* the last: in the indexed text */
    MATCH_CLASSES = 16,
    MATCH_STATES = 64,
    MODEL_STATES = 33,
    CURVE = 33,                        /* points of a last correction, over logits from -8 to 8 */
    IN_TRAIN = 0,
    IN_FILE = IN_TRAIN + 2 * NUM_CONTEXTS,
    IN_JOINT = IN_FILE + 2 * NUM_FILE,
    IN_MATCH = IN_JOINT + NUM_JOINT,
    IN_MODEL = IN_MATCH + NUM_MATCHES,
    IN_ANY = IN_MODEL + 2,
    IN_BIAS = IN_ANY + 1,
    NUM_INPUTS = (IN_BIAS + 1 + LANES - 1) / LANES * LANES,
    NUM_SETS = 14,
    FINAL_SETS = 96,
    NODE_CURVES = 1 << 14,
    TOKEN_CURVES = 1 << 16
};

/* How many weight vectors each set chooses from. */
static const int SET_SIZES[NUM_SETS] = {
    (NUM_ORDERS + 1) * (NUM_FILE_ORDERS + 1), 1056, 64, 128, TRAIN_STATES + 1, 256, 512, 64, 128, 512, 64, 256, 1024, 1,
};
enum { ALL_SETS = (NUM_ORDERS + 1) * (NUM_FILE_ORDERS + 1) + 1056 + 64 + 128 + TRAIN_STATES + 1 + 256 + 512 + 64 + 128 + 512 + 64 + 256 + 1024 + 1, GENERAL = ALL_SETS - 1 };

typedef struct {
    float p, seen;
} Cell2;

typedef struct {
    float weights[ALL_SETS][NUM_INPUTS];
    float visits[ALL_SETS];
    float final[FINAL_SETS][NUM_SETS];
    Cell2 train[NUM_CONTEXTS][3][TRAIN_STATES];
    Cell2 file[NUM_FILE][2][FILE_STATES];
    Cell2 joint[NUM_JOINT][JOINT_STATES];
    Cell2 match[NUM_MATCHES][MATCH_STATES];
    Cell2 model[MODEL_STATES];
    float node_curve[NODE_CURVES][CURVE];
    float token_curve[TOKEN_CURVES][CURVE];
} Learned;

/* A weight vector learns at RATE, and faster in its first visits: (RATE + FIRST_RATE / (1 + visits / FIRST_VISITS)). */
static const float RATE = 0.004f, FIRST_RATE = 0.02f, FIRST_VISITS = 50, FINAL_RATE = 0.0005f, TRAIN_LIMIT = 1.0f / 4000, FILE_LIMIT = 1.0f / 255;
static const float CURVE_RATE = 0.02f, CURVE_SHARE = 0.35f;

static u8 COUNT_CLASS[601], FIVE_CLASS[16];
static float LOG_COUNT[256]; /* ln(n + 0.2) */

static void mixer_init(void) {
    for (int n = 0; n <= 600; n++)
        COUNT_CLASS[n] = (u8)(n < 5 ? n : n < 7 ? 5 : n < 10 ? 6 : n < 15 ? 7 : n < 25 ? 8 : n < 50 ? 9 : n < 150 ? 10 : n < 600 ? 11 : 12);
    for (int n = 0; n < 16; n++) FIVE_CLASS[n] = (u8)(n < 3 ? n : n < 6 ? 3 : 4);
    for (int n = 0; n < 256; n++) LOG_COUNT[n] = ln_f((float)n + 0.2f);
}
static inline int count_class(i32 n) { return COUNT_CLASS[n < 600 ? n : 600]; }
static inline float log_count(i32 n) { return n < 256 ? LOG_COUNT[n] : ln_f((float)n + 0.2f); }

/* Every map starts at what its counts say, every weight alike. */
static void learned_init(Learned *m) {
    static const float middle[COUNT_CLASSES] = {0, 1, 2, 3, 4, 5.5f, 8, 12, 19, 35, 90, 300, 1500};
    static const float five[5] = {0, 1, 2, 4, 12};
    memset(m, 0, sizeof *m);
    for (int c = 0; c < NUM_CONTEXTS; c++)
        for (int r = 0; r < 3; r++)
            for (int s = 0; s < TRAIN_STATES; s++) {
                float n0 = middle[s / COUNT_CLASSES], n1 = middle[s % COUNT_CLASSES];
                m->train[c][r][s].p = (n1 + 0.4f) / (n0 + n1 + 0.8f);
            }
    for (int c = 0; c < NUM_FILE; c++) {
        for (int s = 0; s < 2 * FILE_STATES; s++) {
            float n0 = (float)(s >> 6 & 15), n1 = (float)(s >> 2 & 15);
            m->file[c][s / FILE_STATES][s % FILE_STATES].p = (n1 + 0.4f) / (n0 + n1 + 0.8f);
        }
        for (int s = 0; c < NUM_JOINT && s < JOINT_STATES; s++) {
            float n0 = five[s / 125] + 2 * five[s / 5 % 5], n1 = five[s / 25 % 5] + 2 * five[s % 5];
            m->joint[c][s].p = (n1 + 0.4f) / (n0 + n1 + 0.8f);
        }
    }
    for (int k = 0; k < NUM_MATCHES; k++)
        for (int s = 0; s < MATCH_STATES; s++) m->match[k][s].p = 0.9f;
    for (int s = 0; s < MODEL_STATES; s++) m->model[s].p = squash((float)(s - 16) / 2);
    for (int k = 0; k < ALL_SETS; k++) {
        for (int j = 0; j < NUM_INPUTS; j++) m->weights[k][j] = 0.06f;
        m->weights[k][IN_MODEL] = m->weights[k][IN_MODEL + 1] = 0.2f;
    }
    for (int k = 0; k < FINAL_SETS; k++)
        for (int j = 0; j < NUM_SETS; j++) m->final[k][j] = 1.0f / NUM_SETS;
    for (int k = 0; k < CURVE; k++) {
        float p = squash((float)(k - 16) / 2);
        for (int row = 0; row < NODE_CURVES; row++) m->node_curve[row][k] = p;
        for (int row = 0; row < TOKEN_CURVES; row++) m->token_curve[row][k] = p;
    }
}

static INTO_CALLER float dot(const float *a, const float *b) {
    f8 sum = {0}, x, y;
    for (int j = 0; j < NUM_INPUTS; j += LANES) {
        memcpy(&x, a + j, sizeof x);
        memcpy(&y, b + j, sizeof y);
        sum += x * y;
    }
    return ((sum[0] + sum[4]) + (sum[1] + sum[5])) + ((sum[2] + sum[6]) + (sum[3] + sum[7]));
}

static INTO_CALLER void add_scaled(float *to, const float *from, float scale) {
    f8 x, y;
    for (int j = 0; j < NUM_INPUTS; j += LANES) {
        memcpy(&x, to + j, sizeof x);
        memcpy(&y, from + j, sizeof y);
        x += y * scale;
        memcpy(to + j, &x, sizeof x);
    }
}

static inline void cell_learn(Cell2 *cell, int bit, float limit, float margin) {
    cell->seen += 1;
    float rate = 1 / (cell->seen + 1.5f);
    cell->p = clampf(cell->p + ((float)bit - cell->p) * (rate > limit ? rate : limit), margin, 1 - margin);
}

#endif
