/* Five bodies under gravity, in SSE2 doubles; prints the energy of the system.  usage: nbody STEPS
 * Positions and velocities are round numbers of our own: only the arithmetic matters here. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { BODIES = 5 };
typedef struct {
  double at[3], speed[3], mass;
} Body;

static Body bodies[BODIES] = {
    {{0, 0, 0}, {0, 0, 0}, 40},
    {{5, -1, -0.1}, {0.6, 2.8, -0.02}, 0.04},
    {{8, 4, -0.4}, {-1.0, 1.8, 0.008}, 0.01},
    {{13, -15, -0.2}, {1.1, 0.9, -0.01}, 0.002},
    {{15, -26, 0.2}, {1.0, 0.6, -0.03}, 0.002},
};

static double distance_squared(const Body *a, const Body *b, double d[3]) {
  for (int k = 0; k < 3; k++) d[k] = a->at[k] - b->at[k];
  return d[0] * d[0] + d[1] * d[1] + d[2] * d[2];
}

static void advance(double dt) {
  for (Body *a = bodies; a < bodies + BODIES; a++) {
    for (Body *b = a + 1; b < bodies + BODIES; b++) {
      double d[3], square = distance_squared(a, b, d), pull = dt / (square * sqrt(square));
      for (int k = 0; k < 3; k++) {
        a->speed[k] -= d[k] * b->mass * pull;
        b->speed[k] += d[k] * a->mass * pull;
      }
    }
  }
  for (Body *a = bodies; a < bodies + BODIES; a++) {
    for (int k = 0; k < 3; k++) a->at[k] += dt * a->speed[k];
  }
}

static double energy(void) {
  double sum = 0, d[3];
  for (Body *a = bodies; a < bodies + BODIES; a++) {
    for (int k = 0; k < 3; k++) sum += 0.5 * a->mass * a->speed[k] * a->speed[k];
    for (Body *b = a + 1; b < bodies + BODIES; b++) {
      sum -= a->mass * b->mass / sqrt(distance_squared(a, b, d));
    }
  }
  return sum;
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  for (long steps = atol(argv[1]); steps > 0; steps--) advance(0.01);
  printf("%.17g\n", energy());
  return 0;
}
