/* A vector of floats as wide as the instruction set has it, and what it can do beside arithmetic. */
#include <string.h>

/* LOOK_UP: of each lane, that of 16 floats which its lowest four bits say. */
#if defined(AVX512)
#include <immintrin.h>
enum { LANES = 16, REGISTERS = 32 };
typedef __m512 native;
#define INTRINSIC(name) _mm512_##name
#define ESTIMATE_RECIPROCAL _mm512_rcp14_ps
#define LOOK_UP(table, at) ((vector)_mm512_permutexvar_ps((__m512i)(at), _mm512_loadu_ps(table)))
#elif defined(AVX512_HALF)
#include <immintrin.h>
enum { LANES = 8, REGISTERS = 32 };
typedef __m256 native;
#define INTRINSIC(name) _mm256_##name
#define ESTIMATE_RECIPROCAL _mm256_rcp14_ps
#define LOOK_UP(table, at)                                                                         \
    ((vector)_mm256_permutex2var_ps(_mm256_loadu_ps(table), (__m256i)(at),                         \
                                    _mm256_loadu_ps((table) + 8)))
#elif defined(AVX2)
#include <immintrin.h>
enum { LANES = 8, REGISTERS = 16 };
typedef __m256 native;
#define INTRINSIC(name) _mm256_##name
#define ESTIMATE_RECIPROCAL _mm256_rcp_ps
#else
#if defined(__aarch64__)
#include <arm_neon.h>
#endif
enum { LANES = 4, REGISTERS = 16 };
#endif

typedef float vector __attribute__((vector_size(LANES * sizeof(float))));
typedef int32_t integers __attribute__((vector_size(LANES * sizeof(float))));
typedef vector unaligned __attribute__((aligned(4), may_alias));

#define ALWAYS_INLINE static inline __attribute__((always_inline))

ALWAYS_INLINE vector load(const float *from) { return *(const unaligned *)from; }
ALWAYS_INLINE void store(float *to, vector x) { *(unaligned *)to = x; }
ALWAYS_INLINE vector broadcast(float x) { return x - (vector){0}; }

#ifdef INTRINSIC
#define VECTOR_MIN(a, b) ((vector)INTRINSIC(min_ps)((native)(a), (native)(b)))
#define VECTOR_MAX(a, b) ((vector)INTRINSIC(max_ps)((native)(a), (native)(b)))
#else
ALWAYS_INLINE vector choose(integers mask, vector yes, vector no) {
    return (vector)((mask & (integers)yes) | (~mask & (integers)no));
}
#define VECTOR_MIN(a, b) choose((a) < (b), (a), (b))
#define VECTOR_MAX(a, b) choose((a) > (b), (a), (b))
#endif

/* a b + c, rounded once where the instruction set can do that. Sums with a product say it, and the
 * compiler fuses nothing by itself (-ffp-contract=off): GCC 14 does so or not by the width of
 * vectors and the shape of a loop, and a score would depend on the tile its candidate lies in. */
ALWAYS_INLINE vector multiply_add(vector a, vector b, vector c) {
#if defined(INTRINSIC)
    return (vector)INTRINSIC(fmadd_ps)((native)a, (native)b, (native)c);
#elif defined(__aarch64__)
    return (vector)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
    return a * b + c;
#endif
}

/* 1 / x, to 2 ulp: an estimate and one step of Newton's method. */
ALWAYS_INLINE vector reciprocal(vector x) {
#ifdef INTRINSIC
    vector estimate = (vector)ESTIMATE_RECIPROCAL((native)x);
    return estimate * multiply_add(-x, estimate, broadcast(2.0f));
#else
    return 1.0f / x;
#endif
}
