// The intrusive list: order, and leaving it from anywhere.
#include "support.hpp"

#include <ringlet/base/intrusive_list.hpp>

using namespace support;

namespace {

struct Element : ListNode {
    explicit Element(int value) : number(value) {}
    int number;
};

std::vector<int> drain(IntrusiveList<Element>& list) {
    std::vector<int> numbers;
    while (!list.empty()) {
        numbers.push_back(list.front().number);
        list.front().unlink();
    }
    return numbers;
}

}  // namespace

TEST_CASE("elements leave the list in the order in which they came") {
    IntrusiveList<Element> list;
    CHECK(list.empty());
    Element elements[] = {Element(1), Element(2), Element(3)};
    for (Element& element : elements) list.push_back(element);
    CHECK_FALSE(list.empty());
    CHECK(drain(list) == std::vector<int>{1, 2, 3});
    CHECK(list.empty());
}

TEST_CASE("an element leaves from the front, the middle or the back, and may come again") {
    for (int leaving = 0; leaving < 3; ++leaving) {
        CAPTURE(leaving);
        IntrusiveList<Element> list;
        Element elements[] = {Element(0), Element(1), Element(2)};
        for (Element& element : elements) list.push_back(element);
        CHECK(elements[leaving].is_linked());
        elements[leaving].unlink();
        CHECK_FALSE(elements[leaving].is_linked());
        list.push_back(elements[leaving]);
        CHECK(drain(list) == std::vector<int>{leaving == 0 ? 1 : 0, leaving == 2 ? 1 : 2, leaving});
    }
}

TEST_CASE("a list that dies before its elements aborts") {
    ChildEnd end = run_in_child([] {
        Element element(1);
        IntrusiveList<Element> list;
        list.push_back(element);
    });
    CHECK(end.aborted());
    CHECK(end.says("an intrusive list died before its elements"));
}

TEST_CASE("a failed check names the reason, the place and the condition") {
    ChildEnd end = run_in_child([] { RINGLET_CHECK(1 + 1 == 3, "the sum is wrong"); });
    CHECK(end.aborted());
    CHECK(end.says("ringlet: the sum is wrong"));
    CHECK(end.says("base_intrusive_list_test.cpp:"));
    CHECK(end.says("1 + 1 == 3"));
}

TEST_CASE("a check that holds does nothing") {
    int evaluations = 0;
    RINGLET_CHECK(++evaluations == 1, "evaluated once");
    CHECK(evaluations == 1);
}
