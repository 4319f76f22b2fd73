/* The functions that gates need.
 *
 * With y = x log2(e), e^x = 2^y = 2^n 2^f, where n is the nearest multiple of 1 / PARTS and the rest
 * is small enough for a minimax polynomial: of degree 5 for whole n, which is an exponent, and of
 * degree 2 where the 16 roots of two are a table in a register. */

/* A power in two factors, so that a sum with it rounds once. */
struct power {
    vector a, b;
};

#ifdef LOOK_UP
enum { PARTS = 16 };
static const float ROOTS_OF_TWO[16] = {
    1.0f,        1.04427373f, 1.09050775f, 1.13878858f, 1.18920708f, 1.24185777f,
    1.29683959f, 1.35425556f, 1.41421354f, 1.47682619f, 1.54221082f, 1.61049032f,
    1.68179286f, 1.75625217f, 1.8340081f,  1.91520655f,
};

/* 2^((n + f) / PARTS) for |f| <= 1/2; n is what the lowest bits hold. */
ALWAYS_INLINE struct power power_of_two(integers n, vector f) {
    vector root = LOOK_UP(ROOTS_OF_TWO, n);
    vector rest = multiply_add(f, broadcast(0.000938384503f), broadcast(0.0433242321f));
    rest = multiply_add(f, rest, broadcast(1.0f));
    return (struct power){(vector)((integers)root + (n >> 4 << 23)), rest};
}
#else
enum { PARTS = 1 };

ALWAYS_INLINE struct power power_of_two(integers n, vector f) {
    vector power = broadcast(0.00132647273f);
    power = multiply_add(power, f, broadcast(0.00967151299f));
    power = multiply_add(power, f, broadcast(0.0555073358f));
    power = multiply_add(power, f, broadcast(0.240222424f));
    power = multiply_add(power, f, broadcast(0.693147004f));
    power = multiply_add(power, f, broadcast(1.0f));
    return (struct power){(vector)((integers)power + (n << 23)), broadcast(1.0f)};
}
#endif

/* Beyond +-25 as there: no gate can tell, and the exponentials of two gates leave room for states
 * that attention without softmax drives far out of their bounds. */
#define EXPONENT_LIMIT 25.0f

/* e^(factor x), to 5e-7 of it around 0, and less exact where it is too small or large to matter. */
ALWAYS_INLINE struct power power_of_e(const float factor, vector x) {
    const vector shift = broadcast(12582912.0f); /* 1.5 * 2^23: sums with it are whole numbers */
    const vector scale = broadcast(factor * 1.44269504f * PARTS);
    const float limit = EXPONENT_LIMIT / (factor < 0.0f ? -factor : factor);
    x = VECTOR_MIN(VECTOR_MAX(x, broadcast(-limit)), broadcast(limit));
    vector shifted = multiply_add(x, scale, shift);
    return power_of_two((integers)shifted, multiply_add(x, scale, shift - shifted));
}

ALWAYS_INLINE vector exponential(const float factor, vector x) {
    struct power power = power_of_e(factor, x);
    return power.a * power.b;
}

ALWAYS_INLINE vector one_plus_exponential(const float factor, vector x) {
    struct power power = power_of_e(factor, x);
    return multiply_add(power.a, power.b, broadcast(1.0f));
}

ALWAYS_INLINE vector sigmoid(vector x) { return reciprocal(one_plus_exponential(-1.0f, x)); }
ALWAYS_INLINE vector hyperbolic_tangent(vector x) {
    vector share = reciprocal(one_plus_exponential(2.0f, x));
    return multiply_add(broadcast(-2.0f), share, broadcast(1.0f));
}
