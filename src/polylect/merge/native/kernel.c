/* The arithmetic of a merge on the bytes of checkpoints: decode, take task vectors, drop entries, combine, round once, encode.
 *
 * Does what the NumPy code of polylect.merge does, with the same bits: float64 throughout, the same order of additions, and
 * no contraction to fused multiply-add (-ffp-contract=off). A tile of elements goes through all steps while it is in the
 * first-level cache. Compiled once per instruction set (LEVEL, which is the functions' suffix) by hatch_build.py.
 */

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#ifndef LEVEL
#define LEVEL 0
#endif
#define GLUE(f, level) f##_##level
#define EXPAND(f, level) GLUE(f, level)
#define NAME(f) EXPAND(f, LEVEL)

enum { TILE = 512 };
enum dtype { BF16, F16, F32, F64 };
enum keep { ALL, LARGEST, RANDOM };
enum fault { FINE, INPUT_NOT_FINITE, RESULT_NOT_FINITE };
static const int WIDTH[] = {2, 2, 4, 8};

static inline uint64_t bits64(double value) { uint64_t b; memcpy(&b, &value, 8); return b; }
static inline double from64(uint64_t b) { double value; memcpy(&value, &b, 8); return value; }
static inline uint32_t bits32(float value) { uint32_t b; memcpy(&b, &value, 4); return b; }
static inline float from32(uint32_t b) { float value; memcpy(&value, &b, 4); return value; }

/* Whether an element is NaN or infinite: its magnitude's bits reach those of infinity. */
static int not_finite(const void *raw, int dtype, int n) {
    if (dtype == BF16 || dtype == F16) {
        const uint16_t *x = raw;
        uint16_t most = 0;
        for (int i = 0; i < n; i++) { uint16_t m = x[i] & 0x7fff; most = m > most ? m : most; }
        return most >= (dtype == BF16 ? 0x7f80 : 0x7c00);
    }
    if (dtype == F32) {
        const uint32_t *x = raw;
        uint32_t most = 0;
        for (int i = 0; i < n; i++) { uint32_t m = x[i] & 0x7fffffff; most = m > most ? m : most; }
        return most >= 0x7f800000;
    }
    const uint64_t *x = raw;
    uint64_t found = 0;
    for (int i = 0; i < n; i++) found |= (x[i] & 0x7ff0000000000000) == 0x7ff0000000000000;
    return found != 0;
}

static void decode_tile(const void *raw, int dtype, int n, double *restrict out) {
    if (dtype == BF16) {
        const uint16_t *x = raw;
        for (int i = 0; i < n; i++) out[i] = (double)from32((uint32_t)x[i] << 16);
    } else if (dtype == F16) {
        /* The bits of a half, moved into a float's places, are 2^112 times too small; subnormals come out right as well. */
        const uint16_t *x = raw;
        for (int i = 0; i < n; i++) {
            uint32_t h = x[i], m = (h & 0x7fff) << 13;
            double value = (double)from32(m) * 0x1p112;
            value = (h & 0x7c00) == 0x7c00 ? (double)from32(m | 0x7f800000) : value;
            out[i] = h & 0x8000 ? -value : value;
        }
    } else if (dtype == F32) {
        for (int i = 0; i < n; i++) out[i] = (double)((const float *)raw)[i];
    } else memcpy(out, raw, 8 * (size_t)n);
}

/* Round to bfloat16, half to even: the float64 bits are rounded to 8 bits of precision, float32 then holds them exactly.
 * Numbers below the normal ones have fewer bits and are counted in units of the smallest one. */
static void encode_bf16(const double *restrict values, int n, uint16_t *restrict out) {
    int small = 0;
    for (int i = 0; i < n; i++) {
        uint64_t b = bits64(values[i]);
        b += ((b >> 45) & 1) + ((UINT64_C(1) << 44) - 1);
        b &= ~((UINT64_C(1) << 45) - 1);
        out[i] = (uint16_t)(bits32((float)from64(b)) >> 16);
    }
    for (int i = 0; i < n; i++) small |= (out[i] & 0x7f80) == 0;
    if (!small) return;
    for (int i = 0; i < n; i++) {
        if ((out[i] & 0x7f80) != 0) continue;
        double units = fabs(values[i]) * 0x1p133;
        out[i] = (uint16_t)((out[i] & 0x8000) | (units != units ? 0x7fc0 : (uint16_t)rint(units)));
    }
}

static void encode_f16(const double *restrict values, int n, uint16_t *restrict out) {
    for (int i = 0; i < n; i++) {
        double value = values[i], size = fabs(value);
        uint64_t b = bits64(size);
        uint16_t sign = (uint16_t)(bits64(value) >> 48 & 0x8000);
        uint64_t normal = ((b + ((b >> 42) & 1) + ((UINT64_C(1) << 41) - 1)) >> 42) - (UINT64_C(1008) << 10);
        uint16_t subnormal = (uint16_t)rint((size < 0x1p-14 ? size : 0.0) * 0x1p24);
        uint16_t magnitude = size < 0x1p-14 ? subnormal : (uint16_t)normal;
        magnitude = size >= 65520.0 ? 0x7c00 : magnitude;
        magnitude = size != size ? 0x7e00 : magnitude;
        out[i] = (uint16_t)(sign | magnitude);
    }
}

static void encode_tile(const double *restrict values, int dtype, int n, void *out) {
    if (dtype == BF16) encode_bf16(values, n, out);
    else if (dtype == F16) encode_f16(values, n, out);
    else if (dtype == F32) for (int i = 0; i < n; i++) ((float *)out)[i] = (float)values[i];
    else memcpy(out, values, 8 * (size_t)n);
}

#if LEVEL == 0
/* The highest level that this processor runs: those of the x86-64 ABI, or 0. */
int level(void) {
#if defined(__x86_64__) && defined(__GNUC__)
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("bmi2") || !__builtin_cpu_supports("fma")) return 0;
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") ? 4 : 3;
#else
    return 0;
#endif
}
uint32_t source(void) { return SOURCE; }
#endif

/* n elements of a task vector (or, without a base, of a model) as float64; returns whether all are finite.
 * check: look at the input; the base has been looked at with another one where it is 1, and is where it is 2. */
int NAME(decode)(const uint8_t *raw, int dtype, const uint8_t *base, int base_dtype, int64_t n, int check, double *out) {
    double b[TILE];
    for (int64_t start = 0; start < n; start += TILE) {
        int m = (int)(n - start < TILE ? n - start : TILE);
        double *tile = out + start;
        if (check && not_finite(raw + start * WIDTH[dtype], dtype, m)) return 0;
        if (check == 2 && base && not_finite(base + start * WIDTH[base_dtype], base_dtype, m)) return 0;
        decode_tile(raw + start * WIDTH[dtype], dtype, m, tile);
        if (base) {
            decode_tile(base + start * WIDTH[base_dtype], base_dtype, m, b);
            for (int i = 0; i < m; i++) tile[i] -= b[i];
        }
    }
    return 1;
}

static void add(double *restrict sum, const double *restrict x, int n) { for (int i = 0; i < n; i++) sum[i] += x[i]; }
static void times(double *restrict x, double factor, int n) {
    if (factor != 1.0) for (int i = 0; i < n; i++) x[i] *= factor;
}

/* Which entries of one input are kept. */
struct kept {
    double threshold;    /* largest: those above it in magnitude, ... */
    int64_t equal;       /* ... and of those equal to it: none (0), all (-1), or that many, the first ones; counted down */
    const uint8_t *mask; /* random: 1 where kept */
    double factor;       /* random: what kept ones are multiplied by */
};

/* Multiplies what is dropped by 0, as NumPy does: the sign of a zero stays that of the entry. */
static void drop(double *restrict tau, int n, int keep, struct kept *rule, int64_t start) {
    if (keep == RANDOM) {
        for (int i = 0; i < n; i++) tau[i] *= (double)rule->mask[start + i];
        times(tau, rule->factor, n);
        return;
    }
    double threshold = rule->threshold;
    if (threshold == 0.0) return;
    if (rule->equal < 0) {
        for (int i = 0; i < n; i++) tau[i] *= fabs(tau[i]) >= threshold ? 1.0 : 0.0;
    } else if (rule->equal == 0) {
        for (int i = 0; i < n; i++) tau[i] *= fabs(tau[i]) > threshold ? 1.0 : 0.0;
    } else {
        int64_t equal = 0;
        for (int i = 0; i < n; i++) equal += fabs(tau[i]) == threshold;
        if (equal <= rule->equal) {
            for (int i = 0; i < n; i++) tau[i] *= fabs(tau[i]) >= threshold ? 1.0 : 0.0;
            rule->equal -= equal;
        } else for (int i = 0; i < n; i++) {
            int last = fabs(tau[i]) == threshold && rule->equal > 0;
            rule->equal -= last;
            tau[i] *= fabs(tau[i]) > threshold || last ? 1.0 : 0.0;
        }
    }
}

/* What all inputs have in common; the fields are those of `Operation` in compiled.py. */
struct operation {
    int32_t elect;          /* 1: elect a sign and take what agrees; 0: weighted sum */
    int32_t task_vectors;   /* 1: work on differences to the base */
    int32_t keep;
    int32_t normalize;      /* elect: divide by the weights of those that agree */
    double last;            /* factor of the sum, 1: none */
    double divisor;         /* divisor of the sum, 1: none */
    double scale;           /* factor of the merged task vector, 1: none */
    const double *weights;  /* (k,); 1: none */
};

/* TIES, steps 2 and 3; see election.py. `x` holds k tiles, already weighted; the result goes to `sum`. */
static void elect(const double *restrict x, int k, int n, const struct operation *op, double *restrict sum) {
    double sign[TILE], agree[TILE];
    if (k == 1) {
        for (int i = 0; i < n; i++) sum[i] = (x[i] + 0.0) / op->divisor;
        return;
    }
    for (int i = 0; i < n; i++) sign[i] = x[i] + x[TILE + i];
    for (int j = 2; j < k; j++) add(sign, x + j * TILE, n);
    for (int i = 0; i < n; i++) {
        sign[i] = (sign[i] > 0.0 ? 1.0 : 0.0) - (sign[i] < 0.0 ? 1.0 : 0.0);
        sum[i] = 0.0;
        agree[i] = 0.0;
    }
    for (int j = 0; j < k; j++) {
        const double *tile = x + j * TILE;
        double weight = op->weights[j];
        for (int i = 0; i < n; i++) {
            double value = tile[i] * sign[i];
            agree[i] += value > 0.0 ? weight : 0.0;
            value = value > 0.0 ? value : 0.0;
            sum[i] += value > DBL_MAX ? DBL_MAX : value;
        }
    }
    for (int i = 0; i < n; i++) sum[i] *= sign[i];
    times(sum, op->last, n);
    if (op->normalize) for (int i = 0; i < n; i++) sum[i] /= agree[i] == 0.0 ? 1.0 : agree[i];
}

/* Merge n elements of k inputs.
 *
 * raw: k inputs and, with task vectors, the base, last; dtypes: theirs. scratch: (k + 2) * 512 float64 numbers.
 * check: also look whether the inputs are finite. Returns a fault; *place is then the first element of the tile it is in. */
int NAME(combine)(const struct operation *op, int k, const uint8_t *const *raw, const int32_t *dtypes, struct kept *kept,
                  int64_t n, int check, uint8_t *out, int out_dtype, double *scratch, int64_t *place) {
    double *sum = scratch, *base = scratch + TILE, *x = scratch + 2 * TILE;
    for (int64_t start = 0; start < n; start += TILE) {
        int m = (int)(n - start < TILE ? n - start : TILE);
        *place = start;
        for (int j = 0; check && j < k + op->task_vectors; j++)
            if (not_finite(raw[j] + start * WIDTH[dtypes[j]], dtypes[j], m)) return INPUT_NOT_FINITE;
        if (op->task_vectors) decode_tile(raw[k] + start * WIDTH[dtypes[k]], dtypes[k], m, base);
        for (int j = 0; j < k; j++) {
            double *tile = op->elect ? x + j * TILE : j ? x : sum;
            decode_tile(raw[j] + start * WIDTH[dtypes[j]], dtypes[j], m, tile);
            if (op->task_vectors) for (int i = 0; i < m; i++) tile[i] -= base[i];
            if (op->keep != ALL) drop(tile, m, op->keep, kept + j, start);
            times(tile, op->weights[j], m);
            if (j && !op->elect) add(sum, tile, m);
        }
        if (op->elect) elect(x, k, m, op, sum);
        else {
            times(sum, op->last, m);
            if (op->divisor != 1.0) for (int i = 0; i < m; i++) sum[i] /= op->divisor;
        }
        if (op->task_vectors) { times(sum, op->scale, m); add(sum, base, m); }
        uint8_t *to = out + start * WIDTH[out_dtype];
        encode_tile(sum, out_dtype, m, to);
        if (not_finite(to, out_dtype, m)) return RESULT_NOT_FINITE;
    }
    return FINE;
}

/* Eight partial sums: the same order of additions whatever the instructions. */
static double dot(const double *restrict a, const double *restrict b, int n) {
    double part[8] = {0};
    int i = 0;
    for (; i + 8 <= n; i += 8) for (int j = 0; j < 8; j++) part[j] += a[i + j] * b[i + j];
    for (; i < n; i++) part[i % 8] += a[i] * b[i];
    return ((part[0] + part[1]) + (part[2] + part[3])) + ((part[4] + part[5]) + (part[6] + part[7]));
}

/* How k inputs lie to each other and to the merged result over n elements: the sums of statistics.py.
 *
 * raw, dtypes: k inputs, the merged tensor, and last the base or NULL. scratch: (k + 2) * 512 float64 numbers.
 * sums: (k + 1)^2 inner products, then per input distance, non-zero and conflicting entries (k each), then the merged square. */
void NAME(measure)(int k, const uint8_t *const *raw, const int32_t *dtypes, int64_t n, double *scratch, double *sums) {
    double *x = scratch, *base = scratch + (k + 1) * TILE;
    double *distance = sums + (k + 1) * (k + 1), *nonzero = distance + k, *conflicting = nonzero + k, *square = conflicting + k;
    memset(sums, 0, sizeof(double) * (size_t)((k + 1) * (k + 1) + 3 * k + 1));
    for (int64_t start = 0; start < n; start += TILE) {
        int m = (int)(n - start < TILE ? n - start : TILE);
        double *merged = x + k * TILE;
        for (int j = 0; j <= k; j++) decode_tile(raw[j] + start * WIDTH[dtypes[j]], dtypes[j], m, x + j * TILE);
        *square += dot(merged, merged, m);
        for (int j = 0; j < k; j++) {
            const double *input = x + j * TILE;
            for (int i = 0; i < m; i++) base[i] = input[i] - merged[i];
            distance[j] += dot(base, base, m);
        }
        if (raw[k + 1]) {
            decode_tile(raw[k + 1] + start * WIDTH[dtypes[k + 1]], dtypes[k + 1], m, base);
            for (int j = 0; j <= k; j++) for (int i = 0; i < m; i++) x[j * TILE + i] -= base[i];
        }
        for (int j = 0; j <= k; j++)
            for (int l = 0; l <= j; l++) sums[j * (k + 1) + l] += dot(x + j * TILE, x + l * TILE, m);
        for (int j = 0; j < k; j++) {
            const double *input = x + j * TILE;
            int64_t some = 0, against = 0;
            for (int i = 0; i < m; i++) { some += input[i] != 0.0; against += input[i] * merged[i] < 0.0; }
            nonzero[j] += (double)some, conflicting[j] += (double)against;
        }
    }
    for (int j = 0; j <= k; j++) for (int l = j + 1; l <= k; l++) sums[j * (k + 1) + l] = sums[l * (k + 1) + j];
}

/* Eight truth values at once: few are true, and those that are not cost next to nothing. */
static inline uint64_t word(const uint8_t *flags) { uint64_t w; memcpy(&w, flags, 8); return w; }

/* Sort out the magnitudes of n numbers by a bracket: counts[0] are above `high`, counts[1] equal it, counts[2] equal `low`; those
 * between go to `between`, which has room for n. Returns how many those are. */
int64_t NAME(split)(const double *values, int64_t n, double low, double high, int64_t *counts, double *between) {
    int64_t above = 0, at_high = 0, at_low = 0, found = 0;
    for (int64_t start = 0; start < n; start += TILE) {
        int m = (int)(n - start < TILE ? n - start : TILE);
        const double *x = values + start;
        int64_t more = 0, high_end = 0, low_end = 0, inside = 0;
        for (int i = 0; i < m; i++) {
            double size = fabs(x[i]);
            more += size > high;
            high_end += size == high;
            low_end += size == low;
            inside += size > low && size < high;
        }
        above += more; at_high += high_end; at_low += low_end;
        if (!inside) continue;
        uint8_t flags[TILE];
        memset(flags, 0, sizeof flags);
        for (int i = 0; i < m; i++) flags[i] = fabs(x[i]) > low && fabs(x[i]) < high;
        for (int i = 0; i < TILE; i += 8) {
            if (!word(flags + i)) continue;
            for (int j = i; j < i + 8; j++) if (flags[j]) between[found++] = fabs(x[j]);
        }
    }
    counts[0] = above, counts[1] = at_high, counts[2] = low == high ? 0 : at_low;
    return found;
}

/* The k-th largest magnitude of n numbers, 0 < k <= n; counts[0] magnitudes are above it, counts[1] equal it. `sizes` has room for n.
 *
 * Found bit by bit: magnitudes sort as their bit patterns do, and a pass that counts what reaches a pattern is a few vector
 * instructions. Bits below the last one that is set in any number are 0 in the threshold too. */
double NAME(largest)(const double *values, int64_t n, int64_t k, int64_t *counts, int64_t *restrict sizes) {
    int64_t any = 0, found = 0;
    for (int64_t i = 0; i < n; i++) { sizes[i] = (int64_t)(bits64(values[i]) << 1 >> 1); any |= sizes[i]; }
    int64_t last = any & -any, first = INT64_C(1) << 62;
    while (first > any) first >>= 1;
    for (int64_t bit = first; bit && bit >= last; bit >>= 1) {
        int64_t candidate = found | bit, reached = 0;
        for (int64_t i = 0; i < n; i++) reached += sizes[i] >= candidate;
        found = reached >= k ? candidate : found;
        if (reached != k) continue;
        found = INT64_MAX; /* The threshold is the smallest of those that reach the pattern. */
        for (int64_t i = 0; i < n; i++) found = sizes[i] >= candidate && sizes[i] < found ? sizes[i] : found;
        break;
    }
    int64_t above = 0, equal = 0;
    for (int64_t i = 0; i < n; i++) { above += sizes[i] > found; equal += sizes[i] == found; }
    counts[0] = above, counts[1] = equal;
    return from64((uint64_t)found);
}

/* The cutoffs of k task vectors of n elements each: thresholds, and per input what is above it and equal to it; sizes[j] are kept,
 * 0 < sizes[j] < n. raw, dtypes: the inputs and the base, last. scratch: 2 n float64 numbers. Returns whether all are finite. */
int NAME(cutoffs)(int k, const uint8_t *const *raw, const int32_t *dtypes, const int64_t *sizes, int64_t n, double *thresholds,
                  int64_t *counts, double *scratch) {
    for (int j = 0; j < k; j++) {
        if (!NAME(decode)(raw[j], dtypes[j], raw[k], dtypes[k], n, j ? 1 : 2, scratch)) return 0;
        thresholds[j] = NAME(largest)(scratch, n, sizes[j], counts + 2 * j, (int64_t *)(scratch + n));
    }
    return 1;
}

/* DARE's mask: n truth values from the bits of SFC64 (Doty-Humphrey 2018, PractRand); see masks.py.
 * state: that of NumPy's SFC64. coarse, fine: the density's first 8 bits and the 56 after them. */
static inline uint64_t sfc64(uint64_t *s) {
    uint64_t value = s[0] + s[1] + s[3]++;
    s[0] = s[1] ^ (s[1] >> 11);
    s[1] = s[2] + (s[2] << 3);
    s[2] = ((s[2] << 24) | (s[2] >> 40)) + value;
    return value;
}

void NAME(bernoulli)(uint64_t *state, int64_t n, int coarse, uint64_t fine, uint8_t *mask) {
    uint64_t s[4];
    memcpy(s, state, sizeof s);
    int64_t whole = n / 8 * 8;
    for (int64_t i = 0; i < whole; i += 8) {
        uint64_t value = sfc64(s);
        memcpy(mask + i, &value, 8);
    }
    uint64_t rest = whole < n ? sfc64(s) : 0;
    memcpy(mask + whole, &rest, (size_t)(n - whole));
    for (int64_t start = 0; start < n; start += TILE) {
        int m = (int)(n - start < TILE ? n - start : TILE);
        uint8_t *tile = mask + start;
        for (int i = 0; i < m; i++) tile[i] = (uint8_t)((tile[i] < coarse) | (fine && tile[i] == coarse) << 1);
    }
    if (!fine) return;
    /* Those that eight bits do not decide take further numbers, after all of the first ones, in their order. */
    for (int64_t i = 0; i < n; i += 8) {
        int m = (int)(n - i < 8 ? n - i : 8);
        if (m == 8 && !(word(mask + i) & UINT64_C(0x0202020202020202))) continue;
        for (int64_t j = i; j < i + m; j++) if (mask[j] == 2) mask[j] = (sfc64(s) >> 8) < fine;
    }
}
