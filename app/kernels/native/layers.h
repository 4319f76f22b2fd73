/* Linear layers with their activations over a tile: L candidates in lanes, one channel a row. */

static void activate(const struct layer *layer, int vectors, float *x) {
    for (int o = 0; o < layer->outputs; o++)
        for (int v = 0; v < vectors; v++, x += LANES) {
            vector value = load(x);
            switch (layer->activation) {
            case RELU: value = VECTOR_MAX(value, broadcast(0.0f)); break;
            case SIGMOID: value = sigmoid(value); break;
            case TANH: value = hyperbolic_tangent(value); break;
            case PRELU: {
                vector zero = broadcast(0.0f);
                value = VECTOR_MAX(value, zero) + layer->slope[o] * VECTOR_MIN(value, zero);
                break;
            }
            case DICE: {
                vector p = sigmoid(value * layer->scale[o] + layer->shift[o]);
                value = value * (layer->slope[o] + p * (1.0f - layer->slope[o]));
                break;
            }
            default: break;
            }
            store(x, value);
        }
}

static void run_layer(const struct layer *layer, int vectors, const float *x, struct start start,
                      float *out) {
    over_candidates(vectors, layer->outputs, layer->inputs,
                    panels_of(layer->weight, layer->inputs), x, start, out);
    if (layer->activation != LINEAR) activate(layer, vectors, out);
}

/* All layers; the first begins with `start`, the others with their biases. The result is where the
 * last one left it, in one of the two buffers. */
static const float *run_layers(const struct layer *layers, int count, int vectors, const float *x,
                               struct start start, float *buffers[2]) {
    for (int i = 0; i < count; i++) {
        float *out = buffers[i % 2];
        run_layer(&layers[i], vectors, x, i ? (struct start){.of_row = layers[i].bias} : start, out);
        x = out;
    }
    return x;
}
