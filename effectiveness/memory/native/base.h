/* Integers, hashing, logarithm and exponential that give the same bits on every machine: only +, -, *, / and integer
 * steps, compiled with -ffp-contract=off, and sums in an order that the source fixes (lanes of a vector type). */
#ifndef MEMORY_BASE_H
#define MEMORY_BASE_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t i32;
typedef int64_t i64;

enum { LANES = 8 };
typedef float f8 __attribute__((vector_size(32)));
typedef i32 n8 __attribute__((vector_size(32)));

/* What costs most is compiled twice, for processors with AVX2 and without; what it calls goes into it whole. The bits are the
 * same: no contraction, and lanes are added in an order that the source fixes. */
#if defined(__x86_64__) && defined(__gnu_linux__) && defined(__GNUC__) && !defined(__clang__)
#define FOR_EVERY_PROCESSOR __attribute__((target_clones("avx2", "default")))
#else
#define FOR_EVERY_PROCESSOR
#endif
#define INTO_CALLER inline __attribute__((always_inline))

static inline u64 mix(u64 a, u64 b) {
    u64 h = (a + b + 1) * 0x9E3779B97F4A7C15ull;
    h ^= h >> 29;
    h *= 0xBF58476D1CE4E5B9ull;
    return h ^ (h >> 32);
}

static inline i32 least(i32 a, i32 b) { return a < b ? a : b; }
static inline float clampf(float x, float low, float high) { return x < low ? low : x > high ? high : x; }

/* Natural logarithm of positive normal numbers: error below 1e-6. ln(m) = 2 artanh((m - 1) / (m + 1)), m in [2/3, 4/3). */
static inline float ln_f(float x) {
    i32 bits;
    memcpy(&bits, &x, 4);
    i32 exponent = (bits - 0x3f2aaaab) >> 23;
    bits -= exponent << 23;
    float m;
    memcpy(&m, &bits, 4);
    float s = (m - 1.0f) / (m + 1.0f), q = s * s;
    float series = s * (2.0f + q * (0.66666667f + q * (0.4f + q * 0.28571429f)));
    return series + (float)exponent * 0.69314718f;
}

static INTO_CALLER f8 ln_f8(f8 x) {
    n8 bits = (n8)x;
    n8 exponent = (bits - 0x3f2aaaab) >> 23;
    bits -= exponent << 23;
    f8 m = (f8)bits;
    f8 s = (m - 1.0f) / (m + 1.0f), q = s * s;
    f8 series = s * (2.0f + q * (0.66666667f + q * (0.4f + q * 0.28571429f)));
    return series + __builtin_convertvector(exponent, f8) * 0.69314718f;
}

/* The same in double precision, for what is reported: error below 1e-12. */
static inline double ln_d(double x) {
    u64 bits;
    memcpy(&bits, &x, 8);
    i64 exponent = (i64)(bits - 0x3fe5555555555555ull) >> 52;
    bits -= (u64)exponent << 52;
    double m;
    memcpy(&m, &bits, 8);
    double s = (m - 1.0) / (m + 1.0), q = s * s, term = s, sum = 0.0;
    for (int k = 1; k < 26; k += 2, term *= q) sum += term / k;
    return 2.0 * sum + (double)exponent * 0.69314718055994530942;
}

/* e**x for |x| <= 80: error below 2e-7 of the value. */
static inline float exp_f(float x) {
    float t = x * 1.44269504f;
    i32 whole = (i32)(t + (t < 0 ? -0.5f : 0.5f));
    float r = (t - (float)whole) * 0.69314718f;
    float p = 1.0f + r * (1.0f + r * (0.5f + r * (0.16666667f + r * (0.041666667f + r * (0.0083333333f + r * 0.0013888889f)))));
    i32 bits;
    memcpy(&bits, &p, 4);
    bits += whole << 23;
    memcpy(&p, &bits, 4);
    return p;
}

static inline float squash(float x) { return 1.0f / (1.0f + exp_f(-x)); }
static inline float stretch(float p) { return ln_f(p) - ln_f(1.0f - p); }

/* A fixed stream of pseudo-random numbers in [-1, 1): splitmix64. */
static inline double random_unit(u64 *state) {
    u64 z = (*state += 0x9E3779B97F4A7C15ull);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return (double)((i64)((z ^ (z >> 31)) >> 11)) / 4503599627370496.0 - 1.0;
}

#endif
