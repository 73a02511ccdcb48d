"""Statements that take any of several answers are told from those that say "any" of something else."""

from __future__ import annotations

import pytest

from halo_forge.data.any_answer import asks_for_any

ANY = """\
Print two positive integers whose sum is n. If there are several answers, print any of them.
If there are multiple solutions, output any of them.
If there are multiple valid strings, you may print any one of them.
If more than one arrangement exists, print any.
If there is more than one such array, you are allowed to output any.
In case of multiple answers, print any.
If the answer is not unique, print any.
It is guaranteed that an answer exists. If there are many possible answers, you can print any of them!
Output one line: the permutation. If there are several optimal permutations, find any of them.
If there are multiple ways to split the string, choose any of them.
If there are several such pairs, just print one of them.
When multiple plans reach the optimum, print one possible plan.
Print any valid colouring of the tree.
Otherwise, print YES and, on the next line, any of the suitable strings. You may output any correct answer.
You can print any of them.
Return any such index.
Construct any array of length $n$ that satisfies the conditions.
Print an arbitrary integer $x$ such that x is coprime with n.
Any valid answer will be accepted.
Multiple solutions exist for most inputs; any correct solution is accepted.
If several teams are possible, any of them will be accepted.
All solutions that satisfy the conditions are considered correct.
This problem has a special judge.
The checker accepts any decomposition of the required length.
Your task is to find any suitable sequence of moves.
Print the indices of the chosen elements in any order.
Print $k$ integers — the numbers of the problems, in any order.
The edges can be printed in any order.
Return the list of all such pairs. You may return the answer in any order.
Output the m edges in arbitrary order.
The order of the lines in the output does not matter.
If there are multiple\\nanswers, print **any** of them.
If there’s more than one solution, you should print any of those.
If there exist multiple longest palindromes, print either.
You may print any answer.
If there are multiple answers, return any of them.
You can output the vertices of the cycle in any order.
""".splitlines()

ONE = """\
Print YES if any of the numbers is even, and NO otherwise.
For any integer n the sequence is defined as follows. Print the n-th element.
If any two neighbours are equal, print -1.
The next m lines contain the edges in any order. Print the number of components.
You can perform the operations in any order. Print the maximum score.
Print the minimum number of moves if the moves may be made in any order.
Print the number of ways to arrange the balls in any order.
You can print each letter in any case (upper or lower).
You may output every letter of YES and NO in any register.
If there are several answers, print the lexicographically smallest one.
If there are multiple solutions, output the one with the smallest first element.
If multiple words have the same length, return the one that comes first.
In one move you can choose any of them and remove it. Print the least number of moves.
There are multiple test cases. For each of them print the answer on a line of its own.
Do not print any extra spaces or blank lines.
The program should not output any other text.
Determine whether you can find any valid pair; print YES or NO.
If you cannot find any such element, print -1.
Your answer will be accepted if its absolute or relative error does not exceed 1e-6.
Any answer within 10^-6 of the jury's will be accepted.
A word is accepted if it contains any vowel. Print the number of accepted words.
Print either YES or NO.
Print the sum of any subarray's maximum, taken over all subarrays.
The cards are given in any order; print them sorted in non-decreasing order.
He picks any of the remaining stones. Print who wins if both play optimally.
Print any number of stars? No: print exactly n stars.
Several different coins are on the table. Print how many of them are gold.
The answer is unique: no two different outputs are valid.
Print the order in which the students leave.
Return True if any element appears more than once.
If there are multiple answers, print the number of them modulo 10^9 + 7.
A valid IP address consists of four numbers; any valid address has three dots. Print the count.
Each query gives many integers; output one integer for each.
You are given a string; replace any character by any other one at most k times. Output the longest run.
The input holds several lines. For each, print one line with the sum.
The letters may be rearranged in any order. Print YES if a palindrome can be formed.
Two arrays are similar if the elements of one, in any order, give the other. Print the number of similar pairs.
The order of the elements in a pair does not matter. Print the number of pairs.
Output the total cost, as the items are bought in any order.
""".splitlines()


@pytest.mark.parametrize("statement", ANY)
def test_a_statement_that_takes_any_of_several_answers_is_seen(statement):
    assert asks_for_any(statement.replace("\\n", "\n"))


@pytest.mark.parametrize("statement", ONE)
def test_a_statement_with_one_right_answer_is_left_alone(statement):
    assert asks_for_any(statement) is None


def test_the_words_may_stand_anywhere_in_a_long_statement():
    statement = (
        "Once upon a time. " * 2000 + "If there are many answers, print any of them.\n\nNote\n\nIn the first test."
    )
    assert asks_for_any(statement) == "many answers, print any of them"
