"""A program in each language."""

PYTHON = '''import os
import sys

# What greets.
@once
class Greeter:
    """Says hello."""

    def hello(self):
        first = 1
        # A remark.
        second = 2
        return first + second

    def goodbye(self):
        return 3

def alone():
    pass
'''

# A program, and what its chunks begin with at a size that parts its two definitions.
PROGRAMS = {
    ".py": ("def a():\n    return 1\n\n# doc\ndef b():\n    return 2\n", ["def a", "# doc"]),
    ".js": ("function a() {\n  f();\n}\n// doc\nfunction b() {\n  g();\n}\n", ["func", "// doc"]),
    ".ts": ("interface A {\n  a: string;\n}\ntype B = {\n  b: 1;\n}\n", ["inter", "type B"]),
    ".tsx": ("const A = () => {\n  f();\n}\nconst B = <p>\n  b\n</p>;\n", ["const A", "const B"]),
    ".go": ("package p\nfunc a() {\n\tf()\n}\n// doc\nfunc b() {\n\tg()\n}\n", ["pack", "// doc"]),
    ".rs": ("fn a() {\n  f();\n}\n/// doc\n#[x]\nfn b() {\n  g();\n}\n", ["fn a", "/// doc"]),
    ".java": (
        "class A {\n  int a = 1;\n}\n/* doc */\nclass B {\n  int b;\n}\n",
        ["cl", "/* doc"],
    ),
    ".c": ("int a(void)\n{\n  f();\n}\n\nint b(void)\n{\n  g();\n}\n", ["int a", "int b"]),
    ".cpp": ("class A {\n  int a = 1;\n};\ntemplate <class T>\nT b() {\n}\n", ["clas", "temp"]),
    ".sh": ("a() {\n  echo one\n}\n# doc\nb() {\n  echo two\n}\n", ["a()", "# doc"]),
}
