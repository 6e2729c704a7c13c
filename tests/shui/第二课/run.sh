#!/bin/sh
echo karez
