"""Programs for the end-to-end tests, in C and C++."""

SORT = r"""
#include <stdio.h>
static int canary = 77;
static int order[8] = {5, 3, 8, 1, 9, 2, 7, 4};
static int after = 6;
static void sort(int *v, int n) {
  for (int i = 0; i < n; i++)
    for (int j = 0; j <= n - 1; j++) /* the bug: reads and writes v[n] */
      if (v[j] > v[j + 1]) {
        int t = v[j];
        v[j] = v[j + 1];
        v[j + 1] = t;
      }
}
int main(void) {
  sort(order, 8);
  for (int i = 0; i < 8; i++) printf("%d ", order[i]);
  printf("and %d %d\n", after, canary);
  return after == 6 ? 0 : 3;
}
"""

CRASH = r"""
#include <cstdio>
#include <string>
#include <vector>
struct Node { int key; Node *next; };
struct List {
  Node *head = nullptr;
  void add(int key) { head = new Node{key, head}; }
  int sum() const {
    int total = 0;
    for (Node *n = head; ; n = n->next) total += n->key; /* never sees the end */
    return total;
  }
};
int main() {
  List list;
  for (int key : std::vector<int>{1, 2, 3}) list.add(key);
  std::printf("sum %d\n", list.sum());
}
"""
